"""Outgoing webhooks over REST: endpoints, their secrets, and what became of each event."""

import json
import uuid
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from chat.models import WebhookDelivery, WebhookEndpoint
from tests.factories import WebhookDeliveryFactory, WebhookEndpointFactory

pytestmark = pytest.mark.django_db

ENDPOINTS = "/api/v1/webhook-endpoints"
DELIVERIES = "/api/v1/webhook-deliveries"
URL = "https://hooks.example.com/lectern?key=1"


@pytest.fixture
def dead(alice):
    row = WebhookDeliveryFactory.create(
        endpoint__owner=alice,
        payload='{"event":"run.finished","what":"was said"}',
        attempts=10,
        last_status=500,
        last_error="HTTP 500",
        last_response="what was answered",
    )
    WebhookDelivery.objects.give_up("It was tried ten times.")
    return row


def post(client, path, **body):
    return client.post(path, json.dumps(body), content_type="application/json")


def add(client, **fields):
    return post(client, ENDPOINTS, **{"url": URL, "events": ["run.finished"], **fields})


def items(client, path):
    answer = client.get(path)
    assert answer.status_code == 200
    return answer.json()["items"]


def test_an_endpoint_is_added_and_its_secret_is_shown_this_once(signed_in, alice):
    answer = add(
        signed_in, events=["run.finished", "invocation.waiting"], description=" ours \n and \0 yours "
    )
    assert answer.status_code == 201
    told = answer.json()
    kept = WebhookEndpoint.objects.visible_to(alice).get()
    secret = told.pop("secret")
    assert kept.secrets_at(timezone.now()) == [secret]
    assert (told["id"], told["url"], told["enabled"]) == (str(kept.pk), URL, True)
    assert (told["events"], told["description"]) == (["invocation.waiting", "run.finished"], "ours and yours")
    listed = signed_in.get(ENDPOINTS)
    assert listed.json() == {"items": [told], "next": None}
    assert secret not in listed.content.decode()


@pytest.mark.parametrize(
    ("fields", "to_blame"),
    [
        ({"url": "http://hooks.example.com/"}, "url"),
        ({"url": "https://127.0.0.1/"}, "url"),
        ({"url": "https://hooks.example.com/\0"}, "url"),
        ({"url": None}, "body.body.url"),
        ({"events": []}, "events"),
        ({"events": ["run.began"]}, "events"),
        ({"events": "run.finished"}, "body.body.events"),
        ({"description": "x" * 201}, "body.body.description"),
        ({"secret": "mine"}, "body.body.secret"),
    ],
)
def test_what_makes_no_sense_is_refused_and_adds_nothing(signed_in, fields, to_blame):
    answer = add(signed_in, **fields)
    assert (answer.status_code, answer.headers["Content-Type"]) == (400, "application/problem+json")
    assert (answer.json()["code"], answer.json()["field"]) == ("bad_frame", to_blame)
    assert not WebhookEndpoint.objects.exists()


def test_one_endpoint_too_many_is_refused(signed_in, settings):
    settings.WEBHOOK_ENDPOINTS = 1
    assert add(signed_in).status_code == 201
    assert add(signed_in).status_code == 400


def test_a_new_secret_is_shown_this_once_and_signs_beside_the_old_one(signed_in):
    added = add(signed_in).json()
    answer = post(signed_in, f"{ENDPOINTS}/{added['id']}/secret")
    assert answer.status_code == 200
    kept = WebhookEndpoint.objects.get()
    assert kept.secrets_at(timezone.now()) == [answer.json()["secret"], added["secret"]]
    assert kept.secrets_at(timezone.now() + timedelta(days=2)) == [answer.json()["secret"]]


def test_an_endpoint_goes_with_what_waits_for_it(signed_in, dead):
    assert signed_in.delete(f"{ENDPOINTS}/{dead.endpoint_id}").status_code == 204
    assert not WebhookDelivery.objects.exists()
    assert signed_in.delete(f"{ENDPOINTS}/{dead.endpoint_id}").status_code == 404


def test_a_delivery_tells_how_it_went_and_nothing_of_what_was_said(signed_in, dead):
    answer = signed_in.get(DELIVERIES)
    (told,) = answer.json()["items"]
    assert (told["id"], told["endpoint"], told["event"]) == (
        str(dead.pk),
        str(dead.endpoint_id),
        "run.finished",
    )
    assert (told["status"], told["attempts"], told["last_status"]) == ("dead", 10, 500)
    assert told["last_error"] == "It was tried ten times."
    assert told["finished_at"]
    assert told["next_attempt_at"] is None
    assert "was said" not in answer.content.decode()
    assert "was answered" not in answer.content.decode()


def test_deliveries_come_newest_first_by_pages_that_neither_repeat_nor_leave_out(signed_in, alice):
    endpoint = WebhookEndpointFactory.create(owner=alice)
    rows = [str(WebhookDeliveryFactory.create(endpoint=endpoint).pk) for _ in range(5)]
    first = signed_in.get(f"{DELIVERIES}?limit=2").json()
    newer = WebhookDeliveryFactory.create(endpoint=endpoint)  # comes between two pages
    second = signed_in.get(f"{DELIVERIES}?limit=2&cursor={first['next']}").json()
    third = signed_in.get(f"{DELIVERIES}?limit=2&cursor={second['next']}").json()
    seen = [row["id"] for page in (first, second, third) for row in page["items"]]
    assert seen == rows[::-1]
    assert third["next"] is None
    assert items(signed_in, DELIVERIES)[0]["id"] == str(newer.pk)


def test_a_page_that_is_just_full_is_the_last(signed_in, alice):
    for _ in range(2):
        WebhookEndpointFactory.create(owner=alice)
    answer = signed_in.get(f"{ENDPOINTS}?limit=2").json()
    assert (len(answer["items"]), answer["next"]) == (2, None)


def test_deliveries_of_one_endpoint_or_status_are_found(signed_in, alice, dead):
    waiting = WebhookDeliveryFactory.create(endpoint__owner=alice)

    def found(query):
        return [row["id"] for row in items(signed_in, f"{DELIVERIES}?{query}")]

    assert found(f"endpoint={waiting.endpoint_id}") == [str(waiting.pk)]
    assert found("status=dead") == [str(dead.pk)]
    assert found("status=pending") == [str(waiting.pk)]
    assert found(f"status=dead&endpoint={waiting.endpoint_id}") == []


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=101", "limit=x", "cursor=x", "status=lost", "endpoint=x"]
)
def test_a_question_that_makes_no_sense_is_refused(signed_in, query):
    answer = signed_in.get(f"{DELIVERIES}?{query}")
    assert (answer.status_code, answer.headers["Content-Type"]) == (400, "application/problem+json")


def test_a_dead_delivery_is_delivered_again_under_its_id(signed_in, dead):
    answer = post(signed_in, f"{DELIVERIES}/{dead.pk}/redeliver")
    assert answer.status_code == 202
    told = answer.json()
    assert (told["id"], told["status"], told["attempts"]) == (str(dead.pk), "pending", 0)
    assert told["next_attempt_at"]
    assert WebhookDelivery.objects.due().filter(pk=dead.pk).exists()


def test_nothing_is_delivered_again_to_an_endpoint_that_is_off(signed_in, dead):
    WebhookEndpoint.objects.update(enabled=False)
    assert post(signed_in, f"{DELIVERIES}/{dead.pk}/redeliver").status_code == 400
    assert WebhookDelivery.objects.get().status == "dead"


def test_others_endpoints_and_deliveries_look_like_none(client, mallory, ada, dead):
    absent = uuid.uuid4()
    for stranger in (mallory, ada):
        client.force_login(stranger)
        assert items(client, ENDPOINTS) == items(client, DELIVERIES) == []
        for ask in (
            lambda key: post(client, f"{ENDPOINTS}/{key}/secret"),
            lambda key: client.delete(f"{ENDPOINTS}/{key}"),
            lambda key: client.get(f"{DELIVERIES}?endpoint={key}"),
        ):
            refused = ask(dead.endpoint_id)
            assert refused.status_code == 404
            assert refused.json() == ask(absent).json()
        refused = post(client, f"{DELIVERIES}/{dead.pk}/redeliver")
        assert refused.status_code == 404
        assert refused.json() == post(client, f"{DELIVERIES}/{absent}/redeliver").json()
        assert items(client, f"{DELIVERIES}?cursor={uuid.UUID(int=2**128 - 1)}") == []
    before = WebhookEndpoint.objects.get()
    assert bytes(before.secrets_encrypted) == bytes(dead.endpoint.secrets_encrypted)
    assert WebhookDelivery.objects.get().status == "dead"


def test_nobody_is_answered_without_signing_in_or_without_the_csrf_token(client, alice, dead):
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(alice)
    for path in (ENDPOINTS, DELIVERIES):
        assert client.get(path).status_code == 401
        assert strict.get(path).status_code == 200
    for asker, status in ((client, 401), (strict, 403)):
        refusals = [
            add(asker),
            post(asker, f"{ENDPOINTS}/{dead.endpoint_id}/secret"),
            asker.delete(f"{ENDPOINTS}/{dead.endpoint_id}"),
            post(asker, f"{DELIVERIES}/{dead.pk}/redeliver"),
        ]
        assert {refusal.status_code for refusal in refusals} == {status}
    assert WebhookDelivery.objects.get().status == "dead"
    assert WebhookEndpoint.objects.count() == 1
