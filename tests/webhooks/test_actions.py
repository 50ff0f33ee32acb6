"""What a user does with endpoints, and what is refused."""

from datetime import timedelta

import pytest
from django.utils import timezone

from chat.actions.webhooks import add_endpoint, check_url, redeliver, remove_endpoint, rotate_secret
from chat.exceptions import Internal, InvalidRequest, NotFound
from chat.models import User, WebhookDelivery, WebhookEndpoint
from tests.factories import WebhookDeliveryFactory, WebhookEndpointFactory
from tools.net.policy import Policy

URL = "https://hooks.example.com/lectern?key=1"


class TestAdding:
    def test_gives_a_secret_that_is_kept_encrypted(self, alice: User):
        endpoint, secret = add_endpoint(alice, url=URL, events=["run.finished"], description="ours")

        kept = WebhookEndpoint.objects.visible_to(alice).get()
        assert (kept.url, kept.events, kept.description) == (URL, ["run.finished"], "ours")
        assert kept.secrets_at(timezone.now()) == [secret]
        assert secret.encode() not in bytes(kept.secrets_encrypted)
        assert kept == endpoint

    @pytest.mark.parametrize("events", [[], ["run.began"], ["run.finished", "*"]])
    def test_wants_events_that_there_are(self, alice: User, events: list[str]):
        with pytest.raises(InvalidRequest) as refused:
            add_endpoint(alice, url=URL, events=events)
        assert refused.value.field == "events"

    def test_has_a_bound(self, alice: User, bob: User, settings):
        settings.WEBHOOK_ENDPOINTS = 2
        WebhookEndpointFactory.create(owner=bob)
        for _ in range(2):
            add_endpoint(alice, url=URL, events=["run.finished"])
        with pytest.raises(InvalidRequest, match="2 endpoints"):
            add_endpoint(alice, url=URL, events=["run.finished"])

    @pytest.mark.parametrize(
        "url",
        ["", "hooks.example.com", "ftp://hooks.example.com/", "https://user:pass@hooks.example.com/",
         "https://127.0.0.1/", "https://[::1]/", "https://169.254.169.254/", "https://2130706433/",
         "https://hooks.example.com/ x", "http://hooks.example.com/", f"https://a.example/{'x' * 2000}"],
    )  # fmt: skip
    def test_wants_a_url_that_can_be_posted_to(self, alice: User, url: str):
        with pytest.raises(InvalidRequest) as refused:
            add_endpoint(alice, url=url, events=["run.finished"])
        assert refused.value.field == "url"
        assert not WebhookEndpoint.objects.exists()

    @pytest.mark.parametrize("url", ["http://wiki.internal/x", "https://wiki.internal/", "http://10.1.2.3/"])
    def test_hosts_that_staff_have_named_may_be_inside_and_without_tls(self, url: str):
        check_url(url, Policy.of(["wiki.internal", "10.1.0.0/16"]))
        with pytest.raises(InvalidRequest):
            check_url("http://10.2.2.3/", Policy.of(["wiki.internal", "10.1.0.0/16"]))


class TestSecrets:
    def test_a_new_one_signs_beside_the_old_one_for_a_day(self, alice: User):
        endpoint, old = add_endpoint(alice, url=URL, events=["run.finished"])
        new = rotate_secret(alice, endpoint.pk)

        endpoint.refresh_from_db()
        now = timezone.now()
        assert endpoint.secrets_at(now) == [new, old]
        assert endpoint.secrets_at(now + timedelta(days=1, minutes=1)) == [new]

    def test_replaced_again_within_the_day_all_three_sign_and_each_for_its_own_day(self, alice: User):
        endpoint, first = add_endpoint(alice, url=URL, events=["run.finished"])
        now = timezone.now()
        endpoint.rotate("second", now=now, keep=timedelta(days=1))
        endpoint.rotate("third", now=now + timedelta(hours=12), keep=timedelta(days=1))

        assert endpoint.secrets_at(now + timedelta(hours=12)) == ["third", "second", first]
        assert endpoint.secrets_at(now + timedelta(hours=30)) == ["third", "second"]

    def test_what_another_secret_key_has_sealed_cannot_be_read_and_is_replaced(self, alice: User, settings):
        endpoint, secret = add_endpoint(alice, url=URL, events=["run.finished"])
        settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
        settings.SECRET_KEY = "another"
        assert endpoint.secrets_at(timezone.now()) == [secret]
        settings.SECRET_KEY_FALLBACKS = []
        with pytest.raises(Internal):
            endpoint.secrets_at(timezone.now())
        new = rotate_secret(alice, endpoint.pk)
        endpoint.refresh_from_db()
        assert endpoint.secrets_at(timezone.now()) == [new]


class TestDeliveringAgain:
    def test_begins_anew(self, alice: User):
        row = WebhookDeliveryFactory.create(endpoint__owner=alice)
        WebhookDelivery.objects.give_up("for the test")
        redeliver(alice, row.pk)

        row.refresh_from_db()
        assert (row.status, row.attempts, row.finished_at) == ("pending", 0, None)

    def test_leaves_what_waits_as_it_is(self, alice: User):
        row = WebhookDeliveryFactory.create(endpoint__owner=alice, attempts=3)
        redeliver(alice, row.pk)

        row.refresh_from_db()
        assert row.attempts == 3

    def test_is_refused_where_the_endpoint_is_off(self, alice: User):
        row = WebhookDeliveryFactory.create(endpoint__owner=alice, endpoint__enabled=False)
        with pytest.raises(InvalidRequest, match="switched off"):
            redeliver(alice, row.pk)


def test_others_endpoints_and_deliveries_are_as_if_they_were_not_there(alice: User, mallory: User):
    row = WebhookDeliveryFactory.create(endpoint__owner=alice)
    WebhookDelivery.objects.give_up("for the test")
    for act, key in (
        (rotate_secret, row.endpoint_id),
        (remove_endpoint, row.endpoint_id),
        (redeliver, row.pk),
    ):
        with pytest.raises(NotFound):
            act(mallory, key)

    row.refresh_from_db()
    assert row.status == "dead"


def test_an_endpoint_can_be_removed(alice: User):
    row = WebhookDeliveryFactory.create(endpoint__owner=alice)
    remove_endpoint(alice, row.endpoint_id)

    assert not WebhookEndpoint.objects.exists()
