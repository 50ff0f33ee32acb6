"""Tools that other people's servers run: what is called, and what they answer at once."""

import asyncio
import json

import pytest
import standardwebhooks
from django.contrib.auth.models import Group
from django.db import OperationalError, connection

from chat.actions.invocations import decide
from chat.exceptions import InvalidRequest
from chat.models import ToolDelivery, ToolInvocation, WebhookTool
from chat.wiring import webhooks
from tests.engine.tool_plays import asks_for, parked, plays
from tests.engine.webhook_tools.shipping import CALL, ask_to_ship, ends, row_of, told_to_the_model
from tests.fakes.receiver import answer, say

pytestmark = pytest.mark.django_db(transaction=True)


async def test_a_server_that_answers_at_once_ends_the_call(chat, upstream, server, ship, secret):
    server.then(answer(200, b'{"result": {"tracking": "1Z"}}'))
    started = await ask_to_ship(chat, upstream)
    events = await chat.events(started.run)
    assert events[-1]["status"] == "completed"
    assert told_to_the_model(upstream) == '{"tracking":"1Z"}'
    (request,) = server.requests
    row = await row_of(chat)
    said = standardwebhooks.Webhook(secret).verify(request.body.decode(), request.headers)
    assert said.pop("deadline").endswith("Z")
    assert said == {
        "type": "tool.call",
        "invocation": str(row.pk),
        "name": "ship",
        "arguments": {"to": "Ada"},
        "callback_url": f"https://chat.example.org/webhooks/invocations/{row.pk}",
    }
    assert request.headers["webhook-id"] == str(row.pk)


@pytest.mark.parametrize(
    ("play", "words"),
    [
        (answer(500), "refused the call (HTTP 500)"),
        (answer(404), "refused the call (HTTP 404)"),
        (answer(302, Location="http://127.0.0.1:1/"), "refused the call (HTTP 302)"),
        (answer(204, b""), "refused the call (HTTP 204)"),
        (answer(200, b"fine"), "no JSON object"),
        (answer(200, b"[]"), "no JSON object"),
        (answer(200, b'{"ok": true}'), 'without a "result"'),
        (answer(200, b'{"error": "Out of paper."}'), "Out of paper."),
        (
            answer(200, b'{"result": "' + b"x" * 1_200_000 + b'"}'),
            "no answer that can be read: The answer broke off, or is larger than 1 MB",
        ),
        (say(b'HTTP/1.1 200 -\r\nContent-Length: 99\r\n\r\n{"resu'), "broke off"),
        (say(b""), "did not answer"),
    ],
)
async def test_a_server_that_gives_no_result_fails_the_call_in_words(
    chat, upstream, server, ship, play, words
):
    server.then(play)
    started = await ask_to_ship(chat, upstream)
    events = await chat.events(started.run)
    assert ends(events) == ["failed"]
    assert words in told_to_the_model(upstream)
    assert len(server.requests) == 1
    assert await chat.runtime.database(ToolDelivery.objects.count) == 1


async def test_a_call_that_breaks_on_this_side_ends_in_words_and_the_log_says_why(
    chat, upstream, server, ship, caplog
):
    # A schema that nobody could save, as an earlier version let it through.
    await chat.runtime.database(WebhookTool.objects.update, deadline_seconds=1e300)
    server.then(answer(200, b'{"result": 1}'))
    started = await ask_to_ship(chat, upstream)
    events = await chat.events(started.run)
    assert ends(events) == ["failed"]
    assert "broke on this side (OverflowError)" in told_to_the_model(upstream)


async def test_only_a_tool_that_is_idempotent_is_called_again_under_the_same_id(chat, upstream, server, ship):
    await chat.runtime.database(WebhookTool.objects.update, idempotent=True)
    server.then(answer(503), answer(503), answer(200, b'{"result": 1}'))
    started = await ask_to_ship(chat, upstream)
    events = await chat.events(started.run)
    assert ends(events) == ["succeeded"]
    row = await row_of(chat)
    assert server.ids() == [str(row.pk)] * 3
    tries = await chat.runtime.database(
        lambda: list(ToolDelivery.objects.order_by("pk").values_list("attempt", "status"))
    )
    assert tries == [(1, 503), (2, 503), (3, 200)]


async def test_arguments_that_do_not_fit_its_schema_are_not_sent(chat, upstream, server, ship):
    started = await ask_to_ship(chat, upstream, ("ship", '{"from": 1}'))
    await chat.events(started.run)
    assert not server.requests
    assert "'to' is a required property" in told_to_the_model(upstream)


async def test_a_tool_that_was_switched_off_meanwhile_is_not_called(chat, upstream, server, ship):
    server.then(answer(200, b'{"result": 1}'))
    plays(upstream, asks_for(CALL))
    inner = upstream.play

    async def switch_off(call):
        await chat.runtime.database(WebhookTool.objects.update, enabled=False)
        await inner(call)

    upstream.play = switch_off
    started = await chat.ask("Send it")
    await chat.events(started.run)
    assert not server.requests
    assert "switched off" in told_to_the_model(upstream)


async def test_a_tool_of_a_group_is_offered_to_that_group(chat, upstream, server, ship):
    def keep_for_packers():
        group = Group.objects.create(name="packers")
        ship.groups.add(group)
        return group

    def offered(number):
        return {tool["function"]["name"] for tool in upstream.requests[number]["tools"]}

    group = await chat.runtime.database(keep_for_packers)
    plays(upstream)
    await chat.events((await chat.ask()).run)
    await chat.runtime.database(chat.user.groups.add, group)
    await chat.events((await chat.ask()).run)
    assert ("ship" in offered(0), "ship" in offered(1)) == (False, True)


async def test_a_yes_to_a_call_that_is_not_for_its_user_any_more_sends_nothing(chat, upstream, server, ship):
    def keep_for_packers():
        group = Group.objects.create(name="packers")
        ship.groups.add(group)
        chat.user.groups.add(group)
        WebhookTool.objects.update(needs_approval=True)
        return group

    group = await chat.runtime.database(keep_for_packers)
    started = await ask_to_ship(chat, upstream)
    await parked(chat, started.run)
    row = await row_of(chat)
    await chat.runtime.database(chat.user.groups.remove, group)
    await chat.runtime.database(decide, chat.user, row.pk, "approve", chat.runtime)
    assert ends(await chat.events(started.run)) == ["failed"]
    assert not server.requests


async def test_an_approved_call_is_made_with_the_arguments_as_they_were_edited(chat, upstream, server, ship):
    await chat.runtime.database(WebhookTool.objects.update, needs_approval=True)
    server.then(answer(200, b'{"result": 1}'))
    started = await ask_to_ship(chat, upstream)
    await parked(chat, started.run)
    row = await row_of(chat)
    await chat.runtime.database(
        lambda: decide(chat.user, row.pk, "approve", chat.runtime, arguments={"to": "Bob"})
    )
    await chat.events(started.run)
    assert json.loads(server.requests[0].body)["arguments"] == {"to": "Bob"}


async def test_arguments_that_do_not_fit_cannot_be_approved(chat, upstream, server, ship):
    await chat.runtime.database(WebhookTool.objects.update, needs_approval=True)
    started = await ask_to_ship(chat, upstream)
    await parked(chat, started.run)
    row = await row_of(chat)
    with pytest.raises(InvalidRequest, match="required property"):
        await chat.runtime.database(
            lambda: decide(chat.user, row.pk, "approve", chat.runtime, arguments={"x": 1})
        )


async def test_a_worker_whose_line_broke_when_it_noted_the_call_goes_on(chat, upstream, server, ship, worker):
    """The note was written, and the worker was not told so."""
    broken = []

    def break_after(execute, sql, *rest):
        done = execute(sql, *rest)
        if "INSERT" in sql and "chat_tooldelivery" in sql and not broken:
            broken.append(sql)
            raise OperationalError("the line broke")
        return done

    def call():
        with connection.execute_wrapper(break_after):
            return webhooks.tool_caller().call(row.pk, node=None, told=lambda run: None)

    server.then(answer(202))
    worker.stop()
    await ask_to_ship(chat, upstream)
    async with asyncio.timeout(20):
        while not await chat.runtime.database(ToolInvocation.objects.filter(name="ship").exists):
            await asyncio.sleep(0.02)
    row = await row_of(chat)
    assert await asyncio.to_thread(call) == "waiting"
    assert broken
    assert await chat.runtime.database(ToolDelivery.objects.count) == 1


async def test_a_worker_that_knows_no_address_of_the_site_says_so(chat, upstream, server, ship, settings):
    settings.PUBLIC_URL = ""
    started = await ask_to_ship(chat, upstream)
    await chat.events(started.run)
    assert not server.requests
    assert "not set up" in told_to_the_model(upstream)
