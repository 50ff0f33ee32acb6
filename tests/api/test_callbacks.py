"""What the servers of webhook tools may say, and how they are answered: forged, malformed, repeated, late, foreign.

The other side signs with the library that the authors of Standard Webhooks publish.
"""

import json
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.test import Client
from django.utils import timezone
from standardwebhooks import Webhook

from chat.models import Run, ToolCallback, ToolInvocation
from chat.webhooks.signing import new_secret, sign, sign_body
from tests.factories import (
    ToolInvocationFactory,
    WebhookToolFactory,
)

pytestmark = pytest.mark.django_db

SECRET = new_secret()
RESULT = b'{"status": "succeeded", "result": {"tracking": "1Z"}}'


@pytest.fixture
def called(run, office):
    return ToolInvocationFactory.create(
        run=run,
        kind="webhook",
        waits_for="callback",
        attempts=1,
        webhook_tool=WebhookToolFactory.create(secret=SECRET),
        deadline_at=timezone.now() + timedelta(hours=1),
    )


def headers_of(body, *, secret=SECRET, message="msg_1", moment=None):
    moment = moment or datetime.now(UTC)
    return {
        "webhook-id": message,
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": Webhook(secret).sign(message, moment, body.decode()),
    }


def post(key, body=RESULT, headers=None, **more):
    headers = headers_of(body, **more) if headers is None else headers
    return Client(enforce_csrf_checks=True).post(
        f"/webhooks/invocations/{key}", body, content_type="application/json", headers=headers
    )


def post_flat(body, signature=None, secret=SECRET):
    headers = {"X-Webhook-Signature": sign_body(secret, body) if signature is None else signature}
    return Client(enforce_csrf_checks=True).post(
        "/webhook/callback", body, content_type="application/json", headers=headers
    )


def now(invocation):
    return ToolInvocation.objects.get(pk=invocation.pk)


def status_of(run):
    return Run.objects.get(pk=run.pk).status


def test_a_result_ends_the_call_and_wakes_the_run(called, run, office, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        answer = post(called.pk)
    assert (answer.status_code, answer.json()) == (200, {"ok": True, "repeated": False})
    row = now(called)
    assert (row.status, row.result, row.waits_for) == ("succeeded", '{"tracking":"1Z"}', "")
    assert row.finished_at is not None
    assert status_of(run) == "queued"
    assert office.woken_runs == [run.pk]
    (kept,) = ToolCallback.objects.all()
    assert (kept.message, kept.what, kept.accepted, kept.answer) == ("msg_1", "succeeded", True, 200)


def test_the_same_message_again_is_answered_and_has_no_second_effect(called, run, office):
    post(called.pk)
    ToolInvocation.objects.update(result="as it was")
    answer = post(called.pk)
    assert (answer.status_code, answer.json()) == (200, {"ok": True, "repeated": True})
    assert now(called).result == "as it was"
    assert ToolCallback.objects.count() == 1


def test_another_message_after_the_result_is_told_that_it_is_over(called):
    post(called.pk)
    answer = post(called.pk, message="msg_2")
    assert (answer.status_code, answer.json()["code"]) == (410, "gone")
    assert now(called).result == '{"tracking":"1Z"}'
    assert [row.answer for row in ToolCallback.objects.order_by("pk")] == [200, 410]


def test_progress_comes_as_often_as_it_likes(called, run, office, django_capture_on_commit_callbacks):
    for number, fraction in enumerate((0.1, 0.9, None)):
        body = json.dumps({"status": "progress", "fraction": fraction, "note": f"step {number}"}).encode()
        with django_capture_on_commit_callbacks(execute=True):
            assert post(called.pk, body, message=f"msg_{number}").status_code == 200
    row = now(called)
    assert (row.status, row.fraction, row.note) == ("waiting", None, "step 2")
    assert status_of(run) == "waiting"
    assert [fields["fraction"] for _, _, fields in office.notices] == [0.1, 0.9, None]


def test_after_the_deadline_it_is_too_late(called):
    ToolInvocation.objects.update(deadline_at=Now())
    answer = post(called.pk)
    assert (answer.status_code, answer.json()["code"]) == (410, "gone")
    assert now(called).status == "waiting"


@pytest.mark.parametrize(
    "columns",
    [
        {"waits_for": "approval", "attempts": 0},
        {"status": "pending", "waits_for": "", "attempts": 0},
    ],
)
def test_before_it_was_called_it_does_not_wait(called, columns):
    ToolInvocation.objects.update(**columns)
    answer = post(called.pk)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert now(called).result == ""


def test_what_is_no_webhook_tools_is_not_found(called):
    for kind in ("local", "client", "none"):
        ToolInvocation.objects.update(kind=kind)
        assert post(called.pk).status_code == 404
    assert post(uuid.uuid4()).status_code == 404
    assert not ToolCallback.objects.exists()


def test_another_tool_may_not_answer(called):
    other = new_secret()
    WebhookToolFactory.create(secret=other)
    answer = post(called.pk, secret=other)
    assert (answer.status_code, answer.json()["code"]) == (401, "bad_signature")
    assert now(called).status == "waiting"


def test_of_a_tool_that_was_removed_nothing_is_taken(called):
    called.webhook_tool.delete()
    assert post(called.pk).status_code == 404


def test_while_secrets_rotate_none_is_refused(called):
    newer, tool = new_secret(), called.webhook_tool
    tool.rotate(newer, now=timezone.now(), keep=timedelta(days=1))
    tool.save()
    progress = b'{"status": "progress", "fraction": 0.5}'
    assert post(called.pk, progress, secret=SECRET, message="msg_1").status_code == 200
    assert post(called.pk, progress, secret=newer, message="msg_2").status_code == 200
    tool.rotate(new_secret(), now=timezone.now() + timedelta(days=2), keep=timedelta(days=1))
    tool.save()
    assert post(called.pk, progress, secret=SECRET, message="msg_3").status_code == 401


MALFORMED = {
    "nothing": b"",
    "no JSON": b"succeeded",
    "half": RESULT[:-1],
    "a list": b"[]",
    "a text": b'"succeeded"',
    "null": b"null",
    "no status": b'{"result": 1}',
    "an unknown status": b'{"status": "done", "result": 1}',
    "a status of another type": b'{"status": 1, "result": 1}',
    "no result": b'{"status": "succeeded"}',
    "no error": b'{"status": "failed"}',
    "an error that is no text": b'{"status": "failed", "error": {"a": 1}}',
    "a fraction beyond 1": b'{"status": "progress", "fraction": 1.5}',
    "a negative fraction": b'{"status": "progress", "fraction": -0.1}',
    "a fraction that is a text": b'{"status": "progress", "fraction": "half"}',
    "a fraction that is no number": b'{"status": "progress", "fraction": NaN}',
    "a note of another type": b'{"status": "progress", "note": 7}',
    "not UTF-8": b'{"status": "failed", "error": "\xff\xfe"}',
    "nested ten thousand deep": b'{"status": "succeeded", "result": ' + b"[" * 10_000 + b"]" * 10_000 + b"}",
    "half a surrogate pair": b'{"status": "failed", "error": "\\ud800"}',
}


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED)
def test_what_cannot_be_read_is_refused_in_words(called, body):
    # Signed by our own code: the library takes texts alone.
    answer = post(called.pk, body, sign([SECRET], "msg_1", int(time.time()), body))
    assert (answer.status_code, answer["Content-Type"]) == (400, "application/problem+json")
    assert answer.json()["title"]
    assert now(called).status == "waiting"
    (kept,) = ToolCallback.objects.all()
    assert (kept.accepted, kept.answer) == (False, 400)


def forged(**changes):
    made = headers_of(RESULT) | changes
    return {name: value for name, value in made.items() if value is not None}


FORGED = {
    "no headers": {},
    "no id": forged(**{"webhook-id": None}),
    "no timestamp": forged(**{"webhook-timestamp": None}),
    "no signature": forged(**{"webhook-signature": None}),
    "another id": forged(**{"webhook-id": "msg_2"}),
    "an id with a full stop": forged(**{"webhook-id": "msg.1"}),
    "another time": forged(**{"webhook-timestamp": str(int(time.time()) - 7)}),
    "a time that is none": forged(**{"webhook-timestamp": "yesterday"}),
    "a negative time": forged(**{"webhook-timestamp": "-1"}),
    "six minutes ago": headers_of(RESULT, moment=datetime.now(UTC) - timedelta(minutes=6)),
    "in six minutes": headers_of(RESULT, moment=datetime.now(UTC) + timedelta(minutes=6, hours=1)),
    "another version": forged(
        **{"webhook-signature": headers_of(RESULT)["webhook-signature"].replace("v1", "v2")}
    ),
    "an empty signature": forged(**{"webhook-signature": "v1,"}),
    "no base64": forged(**{"webhook-signature": "v1,%%%"}),
    "of another body": headers_of(b"{}"),
    "by somebody else": headers_of(RESULT, secret=new_secret()),
    "a hundred signatures": forged(**{"webhook-signature": " ".join(["v1,AAAA"] * 100)}),
    "the flat form's": {"X-Webhook-Signature": sign_body(SECRET, RESULT)},
}


@pytest.mark.parametrize("headers", FORGED.values(), ids=FORGED)
def test_what_is_not_signed_as_it_has_to_be_is_refused(called, headers):
    answer = post(called.pk, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (401, "bad_signature")
    assert now(called).status == "waiting"
    assert not ToolCallback.objects.filter(accepted=True).exists()


def test_of_many_that_are_refused_a_hundred_are_kept(called):
    for _ in range(103):
        post(called.pk, headers={})
    assert ToolCallback.objects.count() == 100


def test_a_result_of_more_than_a_megabyte_is_refused(called):
    large = json.dumps({"status": "succeeded", "result": "x" * 1_048_577}).encode()
    assert post(called.pk, large).status_code == 413
    assert post(called.pk, b" " * 3_000_000).status_code == 413
    assert now(called).status == "waiting"


def test_a_long_result_is_kept_whole_and_shortened_for_the_model(called):
    body = json.dumps({"status": "succeeded", "result": "x" * 100_000}).encode()
    assert post(called.pk, body).status_code == 200
    row = now(called)
    assert len(row.result) == 100_000
    assert row.shown.endswith("of 100000 bytes]")


def test_what_databases_refuse_is_replaced(called):
    body = json.dumps({"status": "failed", "error": "a\0b"}).encode()
    assert post(called.pk, body).status_code == 200
    assert now(called).result == "a\ufffdb"


def test_other_methods_are_not_taken(called):
    assert Client().get(f"/webhooks/invocations/{called.pk}").status_code == 405
    assert Client().get("/webhook/callback").status_code == 405


def flat(called, **said):
    return json.dumps({"call_id": str(called.pk), **said}).encode()


def test_the_flat_form_ends_a_call_once(called):
    body = flat(called, result={"tracking": "1Z"})
    assert [post_flat(body).json()["repeated"] for _ in range(2)] == [False, True]
    assert (now(called).status, now(called).result) == ("succeeded", '{"tracking":"1Z"}')
    # Whatever it says then: the call's id is what makes it one message.
    assert post_flat(flat(called, error="no")).json()["repeated"]
    assert now(called).status == "succeeded"


def test_progress_under_any_id_leaves_room_for_the_flat_result(called):
    assert post(called.pk, b'{"status": "progress", "fraction": 0.5}', message="call_id").status_code == 200
    assert post_flat(flat(called, result=1)).json() == {"ok": True, "repeated": False}
    assert now(called).status == "succeeded"


def test_a_call_that_is_still_being_sent_when_its_deadline_passes_is_gone(called):
    ToolInvocation.objects.update(status="running", waits_for="", deadline_at=Now())
    answer = post(called.pk)
    assert (answer.status_code, answer.json()["code"]) == (410, "gone")


def test_the_flat_form_tells_an_error(called):
    assert post_flat(flat(called, result=None, error="No parcels today.")).status_code == 200
    assert (now(called).status, now(called).result) == ("failed", "No parcels today.")


def test_a_result_of_null_is_one_in_the_flat_form(called):
    assert post_flat(flat(called, result=None, error=None)).status_code == 200
    assert (now(called).status, now(called).result) == ("succeeded", "null")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"[]", 400),
        (b"{}", 400),
        (b'{"call_id": 7, "result": 1}', 400),
        (b'{"call_id": "seven", "result": 1}', 404),
        (b'{"call_id": "", "result": 1}', 404),
        (json.dumps({"call_id": str(uuid.uuid4()), "result": 1}).encode(), 404),
    ],
)
def test_the_flat_form_is_refused_too(called, body, status):
    assert post_flat(body).status_code == status


@pytest.mark.parametrize(
    "signature", ["", "sha256=", "sha256=00", "sha1=" + "0" * 40, "ü", sign_body(new_secret(), b"{}")]
)
def test_the_flat_form_may_not_be_forged(called, signature):
    assert post_flat(flat(called, result=1), signature).status_code == 401
    assert now(called).status == "waiting"


def test_the_flat_form_comes_too_late(called):
    ToolInvocation.objects.update(deadline_at=Now())
    assert post_flat(flat(called, result=1)).status_code == 410


@pytest.mark.django_db(transaction=True)
def test_a_thousand_copies_at_once_have_one_effect(called, run, office):
    body, headers = RESULT, headers_of(RESULT)

    def send(_):
        try:
            return post(called.pk, body, headers)
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(send, range(1000)))
    assert {answer.status_code for answer in answers} == {200}
    assert [answer.json()["repeated"] for answer in answers].count(False) == 1
    assert office.woken_runs == [run.pk]
    assert ToolCallback.objects.filter(accepted=True).count() == 1
