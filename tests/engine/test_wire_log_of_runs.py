"""The wire of whole runs: kept, downloaded, replayed."""

import io
import json
import uuid

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from chat.actions.conversations import delete_conversation
from chat.models import User, WireRecord
from tests.admin.gates import give_reason
from tests.engine.plays import BUSY, only, plays, refusing, saying

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def log(chat):
    """Chance keeps nothing."""
    chat.runtime.wire_log._chance = lambda: 0.999
    return chat.runtime.wire_log


async def ask(chat) -> list[dict]:
    started = await chat.ask("what was asked")
    return await chat.events(started.run)


async def records(chat) -> list[WireRecord]:
    await chat.runtime.wire_log.written()
    return await chat.runtime.database(lambda: list(WireRecord.objects.order_by("created_at")))


async def replayed(chat, record: WireRecord, folder, *options: str) -> dict:
    """What `replay_stream` prints of the admin's download."""

    def download() -> bytes:
        client = Client()
        staff, _ = User.objects.get_or_create(username="ada", is_staff=True, is_superuser=True)
        client.force_login(staff, backend="django.contrib.auth.backends.ModelBackend")
        give_reason(client, "wire_record", record.pk)
        return client.get(reverse("admin:chat_wirerecord_download", args=[record.pk])).content

    file = folder / "download"
    file.write_bytes(await chat.runtime.database(download))
    out = io.StringIO()
    call_command("replay_stream", "--dialect", record.dialect, *options, str(file), stdout=out)
    facts: dict = json.loads(out.getvalue())
    return facts


async def test_a_run_that_is_sampled_replays_to_what_was_told(chat, upstream, log, tmp_path):
    log._chance = lambda: 0.0
    [*_, finished] = events = await ask(chat)
    [record] = await records(chat)
    [call] = await chat.calls()
    assert (record.pk, record.kept_because, record.outcome) == (call.pk, "sampled", "completed")
    assert json.loads(record.request_body()) == upstream.requests[0]
    assert record.request_headers["authorization"] == "[hidden]"
    facts = await replayed(chat, record, tmp_path)
    assert facts["text"] == "".join(event["text"] for event in only(events, "text.delta")) == "Hello"
    assert (facts["complete"], facts["finish_reason"]) == (
        True,
        only(events, "step.finished")[0]["finish_reason"],
    )
    assert facts["usage"]["output_tokens"] == finished["usage"]["output_tokens"] == 5


async def test_a_run_that_is_not_sampled_leaves_nothing(chat, upstream, log):
    await ask(chat)
    assert await records(chat) == []


async def test_every_attempt_that_failed_is_kept(chat, upstream, log, tmp_path):
    plays(upstream, refusing(upstream, 503, BUSY), saying("half"), upstream.say_hello)
    events = await ask(chat)
    assert events[-1]["status"] == "completed"
    refused, cut = await records(chat)
    calls = await chat.calls()
    assert [refused.pk, cut.pk] == [call.pk for call in calls[:2]]
    assert [refused.outcome, cut.outcome] == [call.outcome for call in calls[:2]]
    facts = await replayed(chat, refused, tmp_path, "--status", str(refused.http_status))
    assert facts["error"]["kind"] == calls[0].outcome
    facts = await replayed(chat, cut, tmp_path)
    assert (facts["text"], facts["complete"]) == ("half", False)


async def test_a_provider_that_repeats_the_key_it_refuses_is_kept_without_it(chat, upstream, log):
    upstream.refuse(
        401, {"error": {"message": "Incorrect API key provided: the-key"}}, **{"x-echo": "the-key"}
    )
    await ask(chat)
    [record] = await records(chat)
    assert record.outcome == "provider_auth"
    assert json.loads(record.response_body())["error"]["message"] == "Incorrect API key provided: [hidden]"
    assert record.response_headers["x-echo"] == "[hidden]"
    assert "the-key" not in str(vars(record))


async def test_a_provider_that_does_not_answer_in_time_is_kept(chat, upstream, log):
    await chat.provider(first_token_seconds=0.1, attempts=1)

    async def play(answer):
        await answer.send(b": wait\n\n")
        await answer.wait_for_hang_up()

    upstream.play = play
    await ask(chat)
    [record] = await records(chat)
    assert (record.outcome, record.http_status, record.response_body()) == (
        "provider_timeout",
        200,
        b": wait\n\n",
    )


async def test_a_provider_that_cannot_be_reached_is_kept_with_what_would_have_been_asked(chat, log):
    await chat.provider(base_url="http://127.0.0.1:9/v1", attempts=1)
    await ask(chat)
    [record] = await records(chat)
    assert (record.outcome, record.http_status, record.response_body()) == ("provider_cut", None, b"")
    assert json.loads(record.request_body())["messages"][0]["content"] == "what was asked"


async def test_a_decoder_that_breaks_leaves_the_bytes_it_broke_on(chat, upstream, log, monkeypatch):
    def feed(_decoder, _data):
        raise IndexError("of a bug")

    monkeypatch.setattr("chat.llm.dialects.openai_chat_decoder.OpenAIChatDecoder.feed", feed)
    events = await ask(chat)
    assert events[-1]["error"]["code"] == "internal"
    [record] = await records(chat)
    assert (record.outcome, record.detail) == ("internal", "IndexError: of a bug")
    assert record.response_body().startswith(b"data: ")


async def test_a_deleted_conversation_takes_its_records_along(chat, upstream, log):
    upstream.refuse(400, {})
    started = await chat.ask("what was asked")
    await chat.events(started.run)
    assert len(await records(chat)) == 1
    key = uuid.UUID(started.conversation)
    await chat.runtime.database(delete_conversation, chat.user, key, chat.runtime)
    assert await records(chat) == []
