"""No page of the admin shows a word that somebody wrote before the gate is opened: all of them are walked."""

import html
import re
from collections.abc import Iterator
from urllib.parse import urljoin

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.test import Client

from chat.models import Attachment, LateResult, Run, ToolCallback, ToolDelivery, User
from tests.admin.gates import give_reason, looks
from tests.factories import (
    AttachmentFactory,
    ConversationFactory,
    MessageFactory,
    ModelCallFactory,
    RunFactory,
    ToolInvocationFactory,
    WebhookDeliveryFactory,
    WebhookToolFactory,
    WireRecordFactory,
)

CANARY = "c4n4ry"
SAID = f"the {CANARY} sings"
SKIPPED = ("/admin/logout/", "/admin/jsi18n/")


@pytest.fixture
def run(db: None) -> Run:
    """Something that somebody wrote in every place that there is for it."""
    conversation = ConversationFactory.create(title=SAID, options={"system": SAID})
    asked = MessageFactory.create(conversation=conversation, text=SAID)
    answer = MessageFactory.create(
        conversation=conversation, parent=asked, role="assistant", parts=[{"type": "text", "text": SAID}]
    )
    run: Run = RunFactory.create(
        conversation=conversation, message=answer, options={"system": SAID}, status="completed"
    )
    tool = WebhookToolFactory.create()
    invocation = ToolInvocationFactory.create(
        run=run, arguments=f'{{"a": "{SAID}"}}', edited_arguments=f'{{"b": "{SAID}"}}', result=SAID, shown=SAID,
        note=SAID, reason=SAID, status="succeeded", waits_for="", epoch=1, webhook_tool=tool,
    )  # fmt: skip
    LateResult.objects.create(invocation=invocation, epoch=1, status="failed", result=SAID)
    ToolDelivery.objects.create(invocation=invocation, attempt=1, url="https://a.example/", response=SAID)
    ToolCallback.objects.create(
        invocation=invocation, message=CANARY, accepted=False, answer=400, detail=SAID
    )
    AttachmentFactory.create(invocation=invocation, name=f"{SAID}.csv")
    record = WireRecordFactory.create(
        run=run, asked=SAID.encode(), answered=SAID.encode(), detail=SAID, response_headers={"x": SAID}
    )
    ModelCallFactory.create(id=record.pk, run=run)
    WebhookDeliveryFactory.create(endpoint__owner=run.user, payload=SAID, last_response=SAID)
    return run


@pytest.fixture
def client(client: Client, ada: User) -> Client:
    client.force_login(ada, backend="django.contrib.auth.backends.ModelBackend")
    return client


def pages_of_rows() -> Iterator[str]:
    for model in admin.site._registry:
        base = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
        yield base
        for key in model._default_manager.values_list("pk", flat=True)[:5]:
            for what in ("change", "history", "delete"):
                yield f"{base}{key}/{what}/"


def links(address: str, page: str) -> Iterator[str]:
    for link in re.findall(r'href="([^"#]+)', page):
        there = urljoin(address, html.unescape(link))
        # Filters and orders of lists are the same pages once more; one of each is enough.
        if there.startswith("/admin/") and not there.startswith(SKIPPED) and there.count("=") <= 1:
            yield there


def test_no_word_of_it_is_shown_anywhere_before_the_gate_is_opened(client: Client, run: Run):
    todo, seen, shown = ["/admin/", *pages_of_rows()], set(), 0
    while todo and len(seen) < 600:
        address = todo.pop(0)
        if address in seen:
            continue
        seen.add(address)
        answer = client.get(address)
        if answer.status_code != 200:
            continue
        shown += 1
        text = answer.getvalue().decode() if answer.streaming else answer.content.decode()
        assert CANARY not in text, address
        todo += links(address, text)

    assert shown > 60
    assert f"/admin/chat/conversation/{run.conversation_id}/change/" in seen
    assert looks() == []


def test_nor_in_what_is_asked_before_rows_are_deleted(client: Client, run: Run):
    for model in admin.site._registry:
        base = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
        keys = [str(key) for key in model._default_manager.values_list("pk", flat=True)[:5]]
        answer = client.post(base, {"action": "delete_selected", "_selected_action": keys}, follow=True)
        assert CANARY not in answer.content.decode(), base


def test_lists_are_not_searched_by_it(client: Client, run: Run):
    for model in admin.site._registry:
        base = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
        answer = client.get(f"{base}?q={CANARY}")
        if "cl" in (answer.context or {}) and admin.site._registry[model].search_fields:
            assert list(answer.context["cl"].result_list) == [], base


def test_the_names_of_rows_do_not_hold_it(run: Run):
    for model in admin.site._registry:
        assert not [row for row in model._default_manager.all() if CANARY in str(row)], model


def test_with_a_reason_for_the_conversation_it_is_there(client: Client, run: Run):
    give_reason(client, "conversation", run.conversation_id)
    for model in (
        "conversation",
        "run",
        "toolinvocation",
        "wirerecord",
        "attachment",
        "tooldelivery",
        "toolcallback",
    ):
        key = {"conversation": run.conversation_id, "run": run.pk}.get(model) or next(
            m for m in admin.site._registry if m._meta.model_name == model
        )._default_manager.values_list("pk", flat=True)[0]
        assert CANARY in client.get(f"/admin/chat/{model}/{key}/change/").content.decode(), model
    assert len(looks()) == 7


def test_who_has_the_permission_to_look_at_rows_alone_sees_as_little(run: Run, bob: User):
    bob.is_staff = True
    bob.save()
    bob.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    client = Client()
    client.force_login(bob, backend="django.contrib.auth.backends.ModelBackend")
    for address in pages_of_rows():
        assert CANARY not in client.get(address).content.decode(errors="replace"), address
    assert (
        CANARY
        not in client.get(f"/admin/chat/attachment/{Attachment.objects.get().pk}/download/").content.decode()
    )
