"""From the outbox to the receiver: tried until it is taken, under one id, and no more at once than may be."""

import time
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connections
from django.db.models.functions import Now
from django.utils import timezone

from chat.models import WebhookDelivery, WebhookEndpoint
from chat.webhooks.backoff import PAUSES, pause_seconds
from chat.webhooks.claims import Verdict, claim_next, settle_delivered
from chat.webhooks.courier import Courier
from chat.webhooks.signing import new_secret, verify, verify_body
from tests.factories import WebhookDeliveryFactory, WebhookEndpointFactory
from tests.fakes.receiver import Receiver, answer, endless, hang, receiver, say, then
from tests.webhooks.carrying import at_once, let_time_pass
from tests.webhooks.conftest import RULES

pytestmark = pytest.mark.django_db(transaction=True)


def pause_of(delivery: WebhookDelivery) -> float:
    delivery.refresh_from_db()
    assert delivery.last_attempt_at is not None
    return (delivery.next_attempt_at - delivery.last_attempt_at).total_seconds()


class TestDelivered:
    def test_is_signed_in_both_ways_with_its_key_as_its_id(
        self, courier: Courier, rude: Receiver, delivery: WebhookDelivery, endpoint: WebhookEndpoint
    ):
        assert courier.deliver_due() == 1

        sent, secrets = rude.requests[0], endpoint.secrets_at(timezone.now())
        assert verify(secrets, sent.headers, sent.body, now=time.time()).id == str(delivery.pk)
        verify_body(secrets, sent.headers["x-webhook-signature"], sent.body)
        assert sent.body.decode() == delivery.payload

    def test_is_kept_with_what_the_receiver_said(
        self, courier: Courier, rude: Receiver, delivery: WebhookDelivery
    ):
        rude.then(answer(202, b"thank you"))
        courier.deliver_due()

        delivery.refresh_from_db()
        assert (delivery.status, delivery.last_status, delivery.last_response, delivery.last_error) == (
            "delivered", 202, "thank you", "",
        )  # fmt: skip
        assert delivery.finished_at is not None
        assert delivery.duration_ms is not None
        assert courier.deliver_due() == 0

    def test_while_a_secret_is_replaced_both_sign(self, courier: Courier, rude: Receiver, delivery):
        endpoint, new = delivery.endpoint, new_secret()
        (old,) = endpoint.secrets_at(timezone.now())
        endpoint.rotate(new, now=timezone.now(), keep=timedelta(days=1))
        endpoint.save()
        courier.deliver_due()

        sent = rude.requests[0]
        for secret in (old, new):
            assert verify([secret], sent.headers, sent.body, now=time.time()).id == str(delivery.pk)

    def test_all_that_is_due_goes_in_one_turn(self, courier: Courier, rude: Receiver, endpoint):
        made = WebhookDeliveryFactory.create_batch(5, endpoint=endpoint)

        assert courier.deliver_due() == 5
        assert sorted(rude.ids()) == sorted(str(row.pk) for row in made)


class TestTriedAgain:
    def test_later_each_time_under_the_same_id_until_it_is_taken(
        self, courier: Courier, rude: Receiver, delivery: WebhookDelivery
    ):
        rude.then(answer(500), hang_up, answer(301), answer(200))
        pauses = []
        for _ in range(3):
            courier.deliver_due()
            pauses.append(pause_of(delivery))
            assert courier.deliver_due() == 0
            let_time_pass()
        courier.deliver_due()

        delivery.refresh_from_db()
        assert (delivery.status, delivery.attempts) == ("delivered", 4)
        assert rude.ids() == [str(delivery.pk)] * 4
        assert {request.body for request in rude.requests} == {delivery.payload.encode()}
        for pause, planned in zip(pauses, PAUSES, strict=False):
            assert planned * 0.89 < pause < planned * 1.11 + 5

    def test_signed_anew_each_time(self, hire: Callable[..., Courier], rude: Receiver, delivery):
        rude.then(answer(500), answer(200))
        later = timezone.now() + timedelta(hours=3)
        hire().deliver_due()
        let_time_pass()
        hire(now=lambda: later).deliver_due()

        secrets = delivery.endpoint.secrets_at(timezone.now())
        assert verify(secrets, rude.requests[1].headers, rude.requests[1].body, now=later.timestamp())

    def test_after_the_last_try_it_is_dead_and_says_why(self, courier: Courier, rude: Receiver, delivery):
        rude.then(answer(500, b"no"))
        for _ in range(12):
            courier.deliver_due()
            let_time_pass()

        delivery.refresh_from_db()
        assert (delivery.status, delivery.attempts) == ("dead", 10)
        assert (delivery.last_status, delivery.last_error, delivery.last_response) == (500, "HTTP 500", "no")
        assert len(rude.requests) == 10

    def test_a_dead_one_is_delivered_again_under_the_same_id(
        self, courier: Courier, rude: Receiver, delivery
    ):
        WebhookDelivery.objects.give_up("for the test")
        assert WebhookDelivery.objects.deliver_again() == 1
        courier.deliver_due()

        delivery.refresh_from_db()
        assert (delivery.status, delivery.attempts) == ("delivered", 1)
        assert rude.ids() == [str(delivery.pk)]

    def test_a_delivered_one_too_and_has_all_its_tries(self, courier: Courier, rude: Receiver, delivery):
        courier.deliver_due()
        rude.then(answer(500))
        assert WebhookDelivery.objects.deliver_again() == 1
        courier.deliver_due()

        assert pause_of(delivery) < 10
        assert rude.ids() == [str(delivery.pk)] * 2

    def test_what_waits_or_is_under_way_is_not_begun_anew(self, delivery: WebhookDelivery):
        claimed = claim_next(RULES)

        assert WebhookDelivery.objects.deliver_again() == 0
        assert claimed is not None
        assert settle_delivered(claimed, Verdict(delivered=True))

    def test_secrets_that_cannot_be_read_are_a_failure_like_others(
        self, courier: Courier, rude: Receiver, delivery: WebhookDelivery
    ):
        WebhookEndpoint.objects.update(secrets_encrypted=b"of another key")
        courier.deliver_due()

        delivery.refresh_from_db()
        assert (delivery.status, delivery.attempts) == ("pending", 1)
        assert "new secret" in delivery.last_error
        assert rude.connections == 0


class TestRetryAfter:
    def test_is_waited_for_where_it_is_longer_than_planned(self, courier: Courier, rude: Receiver, delivery):
        rude.then(answer(503, Retry_After="1000"))
        courier.deliver_due()

        assert 999 < pause_of(delivery) < 1010

    def test_is_not_a_way_to_be_asked_more_often(self, courier: Courier, rude: Receiver, delivery):
        rude.then(answer(503, Retry_After="0"))
        courier.deliver_due()

        assert pause_of(delivery) > 4

    def test_holds_for_all_that_waits_for_the_endpoint(self, courier: Courier, rude: Receiver, endpoint):
        WebhookDeliveryFactory.create_batch(3, endpoint=endpoint)
        rude.then(answer(429, Retry_After="60"), answer(200))

        assert courier.deliver_due() == 1
        let_time_pass()
        assert courier.deliver_due() == 3


class TestSwitchedOff:
    def test_410_switches_the_endpoint_off_and_gives_up_what_waits(
        self, courier: Courier, rude: Receiver, endpoint: WebhookEndpoint
    ):
        WebhookDeliveryFactory.create_batch(3, endpoint=endpoint)
        rude.then(answer(410), answer(200))
        courier.deliver_due()

        endpoint.refresh_from_db()
        assert (endpoint.enabled, endpoint.disabled_because) == (False, "gone")
        assert endpoint.disabled_at is not None
        assert set(WebhookDelivery.objects.values_list("status", flat=True)) == {"dead"}
        assert len(rude.requests) == 1

    def test_an_endpoint_that_fails_for_days_is_switched_off(
        self, courier: Courier, rude: Receiver, delivery
    ):
        rude.then(answer(500))
        courier.deliver_due()
        WebhookEndpoint.objects.update(failing_since=Now() - timedelta(days=5, seconds=1))
        let_time_pass()
        courier.deliver_due()

        delivery.refresh_from_db()
        assert (delivery.endpoint.enabled, delivery.endpoint.disabled_because) == (False, "failing")
        assert delivery.status == "dead"

    def test_unless_nobody_wants_that(self, hire: Callable[..., Courier], rude: Receiver, delivery):
        rude.then(answer(500))
        WebhookEndpoint.objects.update(failing_since=Now() - timedelta(days=500))
        hire(failing_days=0).deliver_due()

        delivery.endpoint.refresh_from_db()
        assert delivery.endpoint.enabled

    def test_one_success_and_the_days_begin_anew(self, courier: Courier, rude: Receiver, delivery):
        rude.then(answer(500), answer(200))
        courier.deliver_due()
        delivery.endpoint.refresh_from_db()
        assert delivery.endpoint.failing_since is not None
        let_time_pass()
        courier.deliver_due()

        delivery.endpoint.refresh_from_db()
        assert delivery.endpoint.failing_since is None

    def test_nothing_goes_to_an_endpoint_that_is_off(self, courier: Courier, rude: Receiver, delivery):
        WebhookEndpoint.objects.update(enabled=False)

        assert courier.deliver_due() == 0
        assert rude.connections == 0

    def test_what_fails_while_it_is_switched_off_does_not_wait_for_ever(
        self, courier: Courier, rude: Receiver, endpoint: WebhookEndpoint, delivery: WebhookDelivery
    ):
        def switch_off(_line: object) -> None:
            WebhookEndpoint.objects.switch_off(endpoint.pk, WebhookEndpoint.Off.BY_OWNER)
            connections.close_all()

        rude.then(then(switch_off, answer(500)))
        courier.deliver_due()

        delivery.refresh_from_db()
        assert delivery.status == "dead"

    def test_what_is_dead_is_not_delivered_again_until_it_is_on(self, delivery: WebhookDelivery):
        WebhookEndpoint.objects.switch_off(delivery.endpoint_id, WebhookEndpoint.Off.BY_OWNER)
        assert WebhookDelivery.objects.deliver_again() == 0
        WebhookEndpoint.objects.switch_on(delivery.endpoint_id)
        assert WebhookDelivery.objects.deliver_again() == 1


class TestSenders:
    def test_no_more_at_the_same_time_than_may_be(self, hire: Callable[..., Courier], rude: Receiver):
        courier = hire(senders=2)
        for _ in range(6):
            WebhookDeliveryFactory.create(endpoint=WebhookEndpointFactory.create(url=rude.url))
        rude.then(then(lambda _: time.sleep(0.2), answer()))
        tried = at_once(5, lambda: [courier.deliver_due()])

        assert sum(tried) == 6
        assert rude.most_at_once == 2

    def test_who_finds_work_calls_another_if_there_is_more(
        self, courier: Courier, calls: list[str], endpoint: WebhookEndpoint
    ):
        WebhookDeliveryFactory.create(endpoint=endpoint)
        courier.deliver_due()
        assert calls == []
        WebhookDeliveryFactory.create_batch(3, endpoint=endpoint)
        courier.deliver_due()

        assert calls == ["more"]

    def test_a_turn_ends_and_somebody_else_goes_on(
        self, hire: Callable[..., Courier], calls: list[str], endpoint: WebhookEndpoint
    ):
        WebhookDeliveryFactory.create_batch(3, endpoint=endpoint)

        assert hire(turn_seconds=-1).deliver_due() == 1
        assert calls[-1] == "more"

    def test_a_receiver_that_hangs_does_not_hold_up_others(
        self, hire: Callable[..., Courier], rude: Receiver
    ):
        """Of four senders it has one, once it has failed."""
        courier = hire(seconds=1)
        with receiver() as good:
            slow = WebhookEndpointFactory.create(url=rude.url, failing_since=timezone.now())
            WebhookDeliveryFactory.create_batch(2, endpoint=slow)
            WebhookDeliveryFactory.create_batch(8, endpoint=WebhookEndpointFactory.create(url=good.url))
            rude.then(hang)
            at_once(4, lambda: [courier.deliver_due()])

            assert len(good.requests) == 8
            assert rude.most_at_once == 1


def hang_up(_line: object) -> None:
    """Closes without a word."""


class TestRude:
    @pytest.mark.parametrize(
        "play",
        [hang, hang_up, endless(b"HTTP/1.1 100 Continue\r\n\r\n", 0.01), say(b"no HTTP\r\n\r\n"),
         answer(302, Location="http://169.254.169.254/latest/meta-data/")],
        ids=["hangs", "closes", "endless", "no HTTP", "redirects to an internal address"],
    )  # fmt: skip
    def test_is_a_failure_with_a_reason_and_tried_again(
        self, hire: Callable[..., Courier], rude: Receiver, delivery: WebhookDelivery, play
    ):
        rude.then(play)
        hire(seconds=0.3).deliver_due()

        delivery.refresh_from_db()
        assert (delivery.status, delivery.attempts, delivery.claimed_until) == ("pending", 1, None)
        assert delivery.last_error
        assert rude.connections == 1


class TestBackoff:
    def test_is_the_published_one(self):
        pauses = [pause_seconds(n, asked_seconds=None, uniform=lambda _a, _b: 1.0) for n in range(1, 11)]

        hours = 3600
        assert pauses == [
            5, 300, 1800, 2 * hours, 5 * hours, 10 * hours, 14 * hours, 20 * hours, 24 * hours, None,
        ]  # fmt: skip

    def test_is_scattered(self):
        pauses = [pause_seconds(2, asked_seconds=None, uniform=end) for end in (min, max)]

        assert pauses == [270, pytest.approx(330)]
