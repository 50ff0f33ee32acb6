"""The gate before what people wrote: who may open it, for how long, and that the entry comes first."""

import time

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from chat.models import AuditEntry, User, WireRecord
from tests.admin.gates import WHY, auditor, give_reason, looks, signed_in
from tests.admin.test_wire import page
from tests.factories import ToolInvocationFactory, WireRecordFactory

WORDS = "what was asked"


@pytest.fixture
def record(db: None) -> WireRecord:
    return WireRecordFactory.create(
        asked=b'{"content":"what was asked"}', detail="what was asked, in an error"
    )


@pytest.fixture
def ann(record: WireRecord) -> Client:
    """An auditor who has given a reason."""
    client = auditor("view_wirerecord")
    give_reason(client, "wire_record", record.pk)
    return client


def shown(client: Client, record: WireRecord) -> str:
    answer = client.get(page(record))
    assert answer.status_code == 200
    return answer.content.decode()


def test_with_permission_and_reason_it_is_open_and_says_so(ann: Client, record: WireRecord):
    text = shown(ann, record)

    assert WORDS in text
    assert "The content is open." in text
    assert f"Your reason: {WHY}" in text


def test_the_entry_says_who_looked_at_whose_what_and_why_in_pseudonyms(ann: Client, record: WireRecord):
    shown(ann, record)

    entry = AuditEntry.objects.get(action="look")
    assert entry.actor == User.objects.get(pk=ann.session["_auth_user_id"]).pseudonym
    assert entry.subject == record.user.pseudonym
    assert (entry.kind, entry.key, entry.reason) == ("wire_record", str(record.pk), WHY)


def test_it_is_written_before_anything_is_read_of_what_is_shown(ann: Client, record: WireRecord):
    with CaptureQueriesContext(connection) as queries:
        shown(ann, record)

    asked = [query["sql"] for query in queries]
    written = next(n for n, sql in enumerate(asked) if 'INSERT INTO "chat_auditentry"' in sql)
    read = next(n for n, sql in enumerate(asked) if '"chat_wirerecord"."request"' in sql)
    assert written < read


def test_each_look_is_an_entry_of_its_own(ann: Client, record: WireRecord):
    shown(ann, record)
    shown(ann, record)
    ann.get(page(record, "download"))

    assert looks() == [("look", "wire_record", WHY)] * 2 + [("download", "wire_record", WHY)]


def test_a_reason_for_a_conversation_holds_for_what_is_in_it(record: WireRecord):
    client = auditor("view_wirerecord", "view_toolinvocation")
    invocation = ToolInvocationFactory.create(run=record.run, arguments='{"order": "what was asked"}')
    give_reason(client, "conversation", record.conversation_id)

    assert WORDS in shown(client, record)
    assert WORDS in client.get(f"/admin/chat/toolinvocation/{invocation.pk}/change/").content.decode()
    assert looks() == [("look", "wire_record", WHY), ("look", "tool_invocation", WHY)]


def test_where_no_reason_was_given_it_asks_for_one_and_nothing_is_noted(record: WireRecord):
    text = shown(auditor("view_wirerecord"), record)

    assert WORDS not in text
    assert "Opening it needs a reason." in text
    assert f"{record.user.username} can see them" in text
    assert looks() == []


def test_who_lacks_the_permission_is_told_which(record: WireRecord):
    client = signed_in("view_wirerecord")
    assert give_reason(client, "wire_record", record.pk).status_code == 403
    text = shown(client, record)

    assert WORDS not in text
    assert "chat.audit_conversation" in text
    assert 'name="reason"' not in text


def test_the_permission_to_open_is_none_to_see_the_page(record: WireRecord):
    client = auditor()
    give_reason(client, "wire_record", record.pk)

    assert client.get(page(record)).status_code == client.get(page(record, "download")).status_code == 403
    assert looks() == []


def test_a_download_is_closed_as_well(record: WireRecord):
    answer = auditor("view_wirerecord").get(page(record, "download"))

    assert (answer.status_code, answer["Location"]) == (302, page(record))
    assert looks() == []


def test_a_reason_holds_for_this_object_alone(ann: Client, record: WireRecord):
    other = WireRecordFactory.create(asked=b'{"content":"what was asked"}')

    assert WORDS not in shown(ann, other)


def test_and_for_this_session_alone(ann: Client, record: WireRecord):
    again = Client()
    again.force_login(
        User.objects.get(pk=ann.session["_auth_user_id"]), "django.contrib.auth.backends.ModelBackend"
    )

    assert WORDS not in shown(again, record)


def test_and_for_a_time(ann: Client, record: WireRecord, settings):
    kept = ann.session["audit_reasons"][f"wire_record:{record.pk}"]
    assert kept[1] == pytest.approx(time.time() + settings.AUDIT_REASON_SECONDS, abs=100)
    session = ann.session
    session["audit_reasons"] = {f"wire_record:{record.pk}": (WHY, time.time() - 1)}
    session.save()

    assert WORDS not in shown(ann, record)


def test_a_permission_that_was_taken_away_closes_what_was_open(ann: Client, record: WireRecord):
    User.objects.get(pk=ann.session["_auth_user_id"]).user_permissions.filter(
        codename="audit_conversation"
    ).delete()

    assert WORDS not in shown(ann, record)


@pytest.mark.parametrize("reason", ["", "  ", "x", " - "])
def test_no_reason_is_no_reason(record: WireRecord, reason: str):
    client = auditor("view_wirerecord")
    give_reason(client, "wire_record", record.pk, reason)

    assert WORDS not in shown(client, record)


def test_a_long_one_is_kept_as_far_as_there_is_room(record: WireRecord):
    client = auditor("view_wirerecord")
    give_reason(client, "wire_record", record.pk, "why " * 200)
    shown(client, record)

    assert len(AuditEntry.objects.get(action="look").reason) == 300


def test_a_session_keeps_so_many_reasons(record: WireRecord, ann: Client):
    for number in range(100):
        give_reason(ann, "run", number)

    assert len(ann.session["audit_reasons"]) == 100
    assert WORDS not in shown(ann, record)


@pytest.mark.parametrize(
    ("following", "place"),
    [
        ("/admin/chat/run/", "/admin/chat/run/"),
        ("https://evil.example/", "/admin/"),
        ("//evil.example", "/admin/"),
    ],
)
def test_it_goes_on_to_a_page_of_this_site(record: WireRecord, following: str, place: str):
    answer = give_reason(auditor(), "wire_record", record.pk, following=following)

    assert (answer.status_code, answer["Location"]) == (302, place)


def test_the_form_is_for_staff_and_is_posted(record: WireRecord):
    assert give_reason(signed_in("audit_conversation", is_staff=False), "run", 1).status_code == 302
    assert auditor().get("/admin/chat/auditentry/open/").status_code == 405


def test_a_page_without_its_entry_is_not_shown(ann: Client, record: WireRecord, monkeypatch):
    def fails(*_facts: object, **_options: object) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr("chat.audit.chain.digest", fails)
    with pytest.raises(OSError, match="the disk is full"):
        ann.get(page(record))
