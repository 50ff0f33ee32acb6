"""Outgoing webhooks in the admin: who may look, who may read what was said, who may have it delivered again."""

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse

from chat.models import AuditEntry, WebhookDelivery, WebhookEndpoint
from tests.admin.gates import give_reason, looks
from tests.admin.test_wire import signed_in
from tests.factories import WebhookDeliveryFactory, WebhookEndpointFactory

DELIVERIES = "/admin/chat/webhookdelivery/"
ENDPOINTS = "/admin/chat/webhookendpoint/"
LOOK = ("view_webhookdelivery", "view_webhookendpoint")


@pytest.fixture
def delivery(db: None) -> WebhookDelivery:
    row: WebhookDelivery = WebhookDeliveryFactory.create(
        endpoint__url="https://hooks.example.com/in?key=hidden-key",
        endpoint__secret="whsec_aGlkZGVuLXNlY3JldA==",
        payload='{"result":"<b>what was said</b>"}',
        last_response="what was answered\x07",
    )
    return row


@pytest.fixture
def staff(db: None) -> Client:
    return signed_in(*LOOK, is_staff=True)


def page(row: WebhookDelivery | WebhookEndpoint) -> str:
    return reverse(f"admin:chat_{row._meta.model_name}_change", args=[row.pk])


def shown(client: Client, url: str) -> str:
    answer = client.get(url)
    assert answer.status_code == 200
    return answer.content.decode()


class TestWhoMay:
    def test_nobody_else_than_staff_with_the_permission(self, delivery: WebhookDelivery):
        for client, status in (
            (Client(), 302),
            (signed_in(*LOOK), 302),
            (signed_in("view_run", is_staff=True), 403),
        ):
            for url in (DELIVERIES, ENDPOINTS, page(delivery), page(delivery.endpoint)):
                assert client.get(url).status_code == status

    def test_nobody_adds_changes_or_deletes(self, client: Client, ada, delivery: WebhookDelivery):
        client.force_login(ada, backend="django.contrib.auth.backends.ModelBackend")
        for row, url in ((delivery, DELIVERIES), (delivery.endpoint, ENDPOINTS)):
            assert client.get(f"{url}add/").status_code == 403
            assert client.post(page(row), {}).status_code == 403
            assert client.post(f"{url}{row.pk}/delete/", {"post": "yes"}).status_code == 403


class TestWhatIsShown:
    def test_the_record_without_what_was_said(self, staff: Client, delivery: WebhookDelivery):
        for url in (DELIVERIES, page(delivery)):
            text = shown(staff, url)
            assert "run.finished" in text
            assert "what was said" not in text
            assert "what was answered" not in text
        assert looks() == []

    def test_what_was_said_to_those_who_may_and_the_look_is_recorded(self, delivery: WebhookDelivery):
        client = signed_in(*LOOK, "audit_conversation", is_staff=True)
        give_reason(client, "webhook_delivery", delivery.pk)
        text = shown(client, page(delivery))

        assert "&lt;b&gt;what was said&lt;/b&gt;" in text
        assert "what was answered\u2407" in text
        entry = AuditEntry.objects.get(action="look")
        assert (entry.key, entry.subject) == (str(delivery.pk), delivery.endpoint.owner.pseudonym)

    @pytest.mark.parametrize("more", [(), ("audit_conversation",)])
    def test_never_a_secret_nor_what_stands_behind_the_question_mark(self, delivery, more):
        client = signed_in(*LOOK, *more, is_staff=True)
        give_reason(client, "webhook_delivery", delivery.pk)
        for url in (DELIVERIES, ENDPOINTS, page(delivery), page(delivery.endpoint)):
            text = shown(client, url)
            assert "hidden-key" not in text
            assert "aGlkZGVu" not in text

    def test_lists_cost_the_same_however_long(self, staff: Client, delivery, django_assert_max_num_queries):
        WebhookDeliveryFactory.create_batch(20)
        for url in (DELIVERIES, ENDPOINTS):
            with django_assert_max_num_queries(12):
                shown(staff, url)


def act(client: Client, url: str, action: str, *rows: WebhookDelivery | WebhookEndpoint):
    chosen = {"action": action, "_selected_action": [str(row.pk) for row in rows]}
    return client.post(url, chosen, follow=True)


class TestDeliveringAgain:
    def test_needs_its_permission(self, staff: Client, delivery: WebhookDelivery):
        WebhookDelivery.objects.give_up("for the test")
        act(staff, DELIVERIES, "redeliver", delivery)

        delivery.refresh_from_db()
        assert delivery.status == "dead"

    def test_begins_what_has_ended_anew_and_says_what_it_left(self, delivery: WebhookDelivery):
        WebhookDelivery.objects.give_up("for the test")
        waiting = WebhookDeliveryFactory.create(attempts=3)
        client = signed_in(*LOOK, "redeliver_webhookdelivery", is_staff=True)
        answer = act(client, DELIVERIES, "redeliver", delivery, waiting)

        delivery.refresh_from_db()
        waiting.refresh_from_db()
        assert (delivery.status, delivery.attempts, waiting.attempts) == ("pending", 0, 3)
        assert "1 will be delivered again; 1 still wait" in answer.content.decode()
        assert LogEntry.objects.filter(object_id=str(delivery.pk)).exists()


class TestSwitching:
    def test_needs_its_permission(self, staff: Client):
        endpoint = WebhookEndpointFactory.create()
        act(staff, ENDPOINTS, "switch_off", endpoint)

        endpoint.refresh_from_db()
        assert endpoint.enabled

    def test_off_gives_up_what_waits_and_on_forgets_what_failed(self, delivery: WebhookDelivery):
        client = signed_in(*LOOK, "change_webhookendpoint", is_staff=True)
        act(client, ENDPOINTS, "switch_off", delivery.endpoint)

        delivery.refresh_from_db()
        assert (delivery.status, delivery.endpoint.disabled_because) == ("dead", "by_staff")
        act(client, ENDPOINTS, "switch_on", delivery.endpoint)
        delivery.endpoint.refresh_from_db()
        assert (delivery.endpoint.enabled, delivery.endpoint.disabled_because) == (True, "")
