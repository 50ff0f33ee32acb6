"""The outbox: who gets a row, at what price, and within whose transaction."""

import json
import threading
import uuid

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from chat.models import User, WebhookDelivery, WebhookEndpoint
from chat.webhooks.dispatch import Nudge, Outbox
from tests.factories import WebhookEndpointFactory

RUN_FINISHED = {"event": "run.finished", "status": "completed"}


@pytest.fixture
def hints() -> list[str]:
    return []


@pytest.fixture
def outbox(hints: list[str]) -> Outbox:
    return Outbox(lambda: hints.append("hint"))


def enqueue(outbox: Outbox, user: User, **more: object) -> int:
    return outbox.enqueue(user.pk, "run.finished", RUN_FINISHED | more)


class TestWhoGetsARow:
    def test_each_endpoint_that_wants_the_event(self, outbox: Outbox, alice: User):
        wanting = [WebhookEndpointFactory.create(owner=alice) for _ in range(2)]
        WebhookEndpointFactory.create(owner=alice, events=["invocation.waiting"])

        assert enqueue(outbox, alice) == 2
        assert {row.endpoint for row in WebhookDelivery.objects.all()} == set(wanting)

    def test_nobody_else(self, outbox: Outbox, alice: User, mallory: User):
        WebhookEndpointFactory.create(owner=mallory)

        assert enqueue(outbox, alice) == 0
        assert not WebhookDelivery.objects.exists()

    def test_no_endpoint_that_is_off(self, outbox: Outbox, alice: User):
        WebhookEndpointFactory.create(owner=alice, enabled=False)

        assert enqueue(outbox, alice) == 0

    def test_no_event_by_a_part_of_its_name(self, outbox: Outbox, alice: User):
        WebhookEndpointFactory.create(owner=alice, events=["run.finished.twice", "un.finished"])

        assert enqueue(outbox, alice) == 0

    def test_an_unknown_event_is_a_mistake_of_ours(self, outbox: Outbox, alice: User):
        with pytest.raises(ValueError):
            outbox.enqueue(alice.pk, "run.began", {"event": "run.began"})
        with pytest.raises(ValueError):
            outbox.enqueue(alice.pk, "run.finished", {"event": "invocation.waiting"})


class TestTheRow:
    def test_is_pending_due_and_says_what_was_said(self, outbox: Outbox, alice: User):
        WebhookEndpointFactory.create(owner=alice)
        enqueue(outbox, alice, name="Grüße 'x' \"%s\" \ud800 \0", number=float("nan"))

        row = WebhookDelivery.objects.get()
        told = RUN_FINISHED | {"name": "Grüße 'x' \"%s\" \ud800 \0", "number": None}
        assert json.loads(row.payload) == told
        assert (row.status, row.attempts, row.epoch, row.finished_at) == ("pending", 0, 0, None)
        assert list(WebhookDelivery.objects.due()) == [row]

    def test_has_a_key_of_its_own_that_sorts_by_time(self, outbox: Outbox, alice: User):
        for _ in range(3):
            WebhookEndpointFactory.create(owner=alice)
        for _ in range(20):
            enqueue(outbox, alice)

        keys = list(WebhookDelivery.objects.order_by("created_at", "pk").values_list("pk", flat=True))
        assert len(set(keys)) == 60
        assert {key.version for key in keys} == {7}
        assert {key.variant for key in keys} == {uuid.RFC_4122}
        assert [key.hex[:12] for key in keys] == sorted(key.hex[:12] for key in keys)

    def test_what_is_not_of_json_is_told_as_text(self, outbox: Outbox, alice: User):
        WebhookEndpointFactory.create(owner=alice)
        enqueue(outbox, alice, key=alice.pk)

        assert json.loads(WebhookDelivery.objects.get().payload)["key"] == str(alice.pk)


class TestThePrice:
    @pytest.mark.parametrize("endpoints", [0, 1, 5])
    def test_is_one_statement_however_many_endpoints(self, outbox: Outbox, alice: User, endpoints: int):
        for _ in range(endpoints):
            WebhookEndpointFactory.create(owner=alice)

        with CaptureQueriesContext(
            connection,
        ) as captured:
            enqueue(outbox, alice)

        assert len(captured) == 1

    def test_without_endpoints_it_is_a_look_into_an_index(self, outbox: Outbox, alice: User):
        with CaptureQueriesContext(connection) as captured:
            enqueue(outbox, alice)
        insert = captured[0]["sql"]
        explain = "EXPLAIN QUERY PLAN" if connection.vendor == "sqlite" else "EXPLAIN"
        with connection.cursor() as cursor:
            if connection.vendor == "postgresql":
                # A table of no rows is read whole, index or not.
                cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute(f"{explain} {insert}")
            plan = str(cursor.fetchall())

        assert "chat_webhookendpoint_owner_id" in plan


class TestTheTransaction:
    @pytest.mark.django_db(transaction=True)
    def test_what_is_rolled_back_is_told_to_nobody(self, outbox: Outbox, hints: list[str], alice: User):
        WebhookEndpointFactory.create(owner=alice)
        with transaction.atomic():
            enqueue(outbox, alice)
            transaction.set_rollback(True)

        assert (WebhookDelivery.objects.count(), hints) == (0, [])

    @pytest.mark.django_db(transaction=True)
    def test_a_hint_goes_out_after_the_commit(self, outbox: Outbox, hints: list[str], alice: User):
        WebhookEndpointFactory.create(owner=alice)
        with transaction.atomic():
            enqueue(outbox, alice)
            assert hints == []

        assert hints == ["hint"]

    @pytest.mark.django_db(transaction=True)
    def test_without_endpoints_there_is_no_hint(self, outbox: Outbox, hints: list[str], alice: User):
        enqueue(outbox, alice)

        assert hints == []

    @pytest.mark.django_db(transaction=True)
    def test_a_hint_that_fails_harms_nobody(self, alice: User):
        WebhookEndpointFactory.create(owner=alice)

        def fail() -> None:
            raise ConnectionError("no broker")

        with transaction.atomic():
            Outbox(fail).enqueue(alice.pk, "run.finished", RUN_FINISHED)

        assert WebhookDelivery.objects.count() == 1

    @pytest.mark.django_db(transaction=True)
    def test_an_endpoint_that_is_deleted_meanwhile_does_not_undo_what_is_told_of(self, alice: User):
        """It had been read, and is gone when the row is written."""
        endpoint = WebhookEndpointFactory.create(owner=alice)
        key = endpoint.pk
        endpoint.delete()
        with transaction.atomic():
            WebhookDelivery.objects.create(endpoint_id=key, event="run.finished", payload="{}")

        assert WebhookDelivery.objects.count() == 1
        assert not WebhookDelivery.objects.visible_to(alice).exists()


class TestNudging:
    def test_many_hints_are_one_while_it_is_on_its_way(self):
        under_way, go_on, sent = threading.Event(), threading.Event(), []

        def send() -> None:
            sent.append(1)
            under_way.set()
            go_on.wait(10)

        nudge = Nudge(send, sleep=lambda _: None)
        nudge()
        assert under_way.wait(10)
        for _ in range(1000):
            nudge()
        go_on.set()
        self.join()

        assert len(sent) == 2

    def test_a_failure_is_not_the_end_of_it(self):
        sent = []

        def send() -> None:
            sent.append(1)
            raise ConnectionError("no broker")

        nudge = Nudge(send, sleep=lambda _: None)
        for _ in range(3):
            nudge()
            self.join()

        assert len(sent) == 3

    def test_there_is_a_rest_between_two(self):
        rests = []
        nudge = Nudge(lambda: None, rest_seconds=7, sleep=rests.append)
        nudge()
        self.join()

        assert rests == [7]

    def join(self) -> None:
        for thread in threading.enumerate():
            if thread.name == "webhook-hint":
                thread.join(10)


class TestRights:
    def test_endpoints_and_deliveries_are_seen_by_their_owner_alone(
        self, outbox: Outbox, alice: User, mallory: User
    ):
        WebhookEndpointFactory.create(owner=alice)
        enqueue(outbox, alice)

        assert WebhookEndpoint.objects.visible_to(alice).count() == 1
        assert WebhookDelivery.objects.visible_to(alice).count() == 1
        assert not WebhookEndpoint.objects.visible_to(mallory).exists()
        assert not WebhookDelivery.objects.visible_to(mallory).exists()
