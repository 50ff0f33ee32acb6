"""Webhook tools in the admin: who may define them, what is refused, when a secret is shown, and calling again."""

import json
from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from chat.actions import webhook_tools as actions
from chat.models import ToolCallback, ToolDelivery, WebhookTool
from tests.admin.gates import WHY, give_reason, looks
from tests.admin.test_wire import signed_in
from tests.factories import ToolInvocationFactory, WebhookToolFactory

LIST = "/admin/chat/webhooktool/"
DELIVERIES = "/admin/chat/tooldelivery/"
CALLBACKS = "/admin/chat/toolcallback/"
SCHEMA = {"type": "object", "properties": {"to": {"type": "string"}}}


@pytest.fixture
def definer(db: None) -> Client:
    return signed_in("view_webhooktool", "add_webhooktool", "change_webhooktool", is_staff=True)


@pytest.fixture
def looker(db: None) -> Client:
    return signed_in("view_tooldelivery", "view_toolcallback", "audit_conversation", is_staff=True)


@pytest.fixture
def delivery(db: None) -> ToolDelivery:
    invocation = ToolInvocationFactory.create(
        name="ship",
        kind="webhook",
        waits_for="callback",
        attempts=1,
        webhook_tool=WebhookToolFactory.create(),
        deadline_at=timezone.now() + timedelta(hours=1),
    )
    return ToolDelivery.objects.create(
        invocation=invocation,
        attempt=1,
        url="https://a.example/t?key=hidden-key",
        status=202,
        response="<b>taken</b>",
    )


def fields(**changes: object) -> dict[str, object]:
    made: dict[str, object] = {
        "name": "ship",
        "description": "Sends a parcel.",
        "url": "https://tools.example.com/ship",
        "parameters": json.dumps(SCHEMA),
        "deadline_seconds": "60",
        "max_result_bytes": "65536",
        "enabled": "on",
    }
    return made | changes


def test_a_tool_is_defined_and_its_secret_shown_once(definer: Client):
    answer = definer.post(f"{LIST}add/", fields())
    tool = WebhookTool.objects.get()
    (secret,) = tool.secrets_at(timezone.now())
    assert secret in answer.content.decode()
    assert "no-store" in answer["Cache-Control"]
    for url in (LIST, f"{LIST}{tool.pk}/change/", f"{LIST}{tool.pk}/history/"):
        assert secret not in definer.get(url).content.decode()


@pytest.mark.parametrize(
    ("odd", "words"),
    [
        ("NaN", "no valid JSON"),
        ("1e999", "no valid JSON"),
        ("9" * 5000, "no valid JSON"),
        ('{"a":' * 20_000 + "1" + "}" * 20_000, "larger than 64 kB"),
        ("[" * 20_000 + "]" * 20_000, "nested too deeply"),
        ("[" * 900 + "]" * 900, "nested too deeply"),
        ('"\\u0000"', "NUL"),
        (json.dumps("x" * 65_536), "larger than 64 kB"),
    ],
)
def test_parameters_that_cannot_be_read_are_refused_in_words(definer: Client, odd: str, words: str):
    schema = f'{{"type": "object", "default": {odd}}}'
    answer = definer.post(f"{LIST}add/", fields(parameters=schema))
    assert answer.status_code == 200
    assert words in answer.content.decode()
    assert schema[:40].replace('"', "&quot;") in answer.content.decode()
    assert not WebhookTool.objects.exists()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": "calculate"}, "A tool that comes with the site is called so."),
        ({"name": "Ship It"}, "A small letter, then small letters, digits and _."),
        ({"url": "http://tools.example.com/ship"}, "The URL has to begin with https://."),
        ({"url": "https://127.0.0.1/ship"}, "not on the public internet"),
        ({"parameters": "[1]"}, "no schema of an object"),
        ({"parameters": '{"type": "object", "properties": 7}'}, "no JSON schema"),
        (
            {"parameters": '{"type": "object", "properties": {"a": {"$ref": "https://a.example/s.json"}}}'},
            "refers to what is not in it",
        ),
        ({"deadline_seconds": "0"}, "greater than or equal to 1"),
        ({"deadline_seconds": "700000"}, "less than or equal to 604800"),
    ],
)
def test_what_could_not_work_is_refused_in_words(definer: Client, changes: dict, words: str):
    answer = definer.post(f"{LIST}add/", fields(**changes))
    assert words in answer.content.decode()
    assert not WebhookTool.objects.exists()


def test_a_new_secret_is_shown_once_and_the_one_before_holds_for_a_day(definer: Client):
    tool = WebhookToolFactory.create()
    (before,) = tool.secrets_at(timezone.now())
    answer = definer.post(LIST, {"action": "new_secret", "_selected_action": [tool.pk]})
    tool.refresh_from_db()
    newer, older = tool.secrets_at(timezone.now())
    assert (older, tool.secrets_at(timezone.now() + timedelta(days=2))) == (before, [newer])
    page = answer.content.decode()
    assert newer in page
    assert before not in page
    assert LogEntry.objects.get().change_message == "Gave it a new secret."


def test_two_at_once_get_no_new_secret(definer: Client):
    tools = [WebhookToolFactory.create() for _ in range(2)]
    answer = definer.post(
        LIST, {"action": "new_secret", "_selected_action": [tool.pk for tool in tools]}, follow=True
    )
    assert "Choose one tool" in answer.content.decode()
    assert {len(tool.secrets_at(timezone.now())) for tool in WebhookTool.objects.all()} == {1}


def test_who_may_not_change_tools_finds_no_way_to_a_secret(db: None):
    tool = WebhookToolFactory.create()
    looker = signed_in("view_webhooktool", is_staff=True)
    assert looker.get(LIST).status_code == 200
    assert looker.get(f"{LIST}add/").status_code == 403
    looker.post(LIST, {"action": "new_secret", "_selected_action": [tool.pk]})
    assert len(WebhookTool.objects.get().secrets_at(timezone.now())) == 1


def test_the_record_is_for_those_who_may_look(delivery: ToolDelivery, looker: Client):
    ToolCallback.objects.create(
        invocation=delivery.invocation,
        message="msg_1",
        accepted=False,
        answer=401,
        detail="no signature fits",
    )
    assert "no signature fits" not in looker.get(CALLBACKS).content.decode()
    assert "&lt;b&gt;taken" not in looker.get(DELIVERIES).content.decode()
    address = reverse("admin:chat_tooldelivery_change", args=[delivery.pk])
    assert "&lt;b&gt;taken" not in looker.get(address).content.decode()
    give_reason(looker, "tool_delivery", delivery.pk)
    page = looker.get(address).content.decode()
    assert "&lt;b&gt;taken&lt;/b&gt;" in page
    assert "hidden-key" not in page
    assert looks() == [("look", "tool_delivery", WHY)]
    callback = ToolCallback.objects.get()
    address = reverse("admin:chat_toolcallback_change", args=[callback.pk])
    assert "no signature fits" not in looker.get(address).content.decode()
    give_reason(looker, "tool_callback", callback.pk)
    assert "no signature fits" in looker.get(address).content.decode()
    for client in (Client(), signed_in("view_run", is_staff=True)):
        assert client.get(DELIVERIES).status_code in (302, 403)
        assert client.get(CALLBACKS).status_code in (302, 403)


def test_one_that_waits_is_called_again_by_who_may(delivery: ToolDelivery, monkeypatch):
    sent: list[tuple[str, ...]] = []

    def send(*words: str) -> bool:
        sent.append(words)
        return True

    monkeypatch.setattr(actions, "send", send)
    choice = {"action": "call_again", "_selected_action": [delivery.pk]}
    signed_in("view_tooldelivery", is_staff=True).post(DELIVERIES, choice)
    assert sent == []
    may = signed_in("view_tooldelivery", "redeliver_tooldelivery", is_staff=True)
    assert "1 will be called again." in may.post(DELIVERIES, choice, follow=True).content.decode()
    assert sent == [("tools.webhook_again", str(delivery.invocation_id))]
    delivery.invocation.__class__.objects.update(status="timed_out")
    words = may.post(DELIVERIES, choice, follow=True).content.decode()
    assert "1 do not wait for a callback any more" in words
    assert len(sent) == 1
