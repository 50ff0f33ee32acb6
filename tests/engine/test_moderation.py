"""Runs under rules: what is told, stored and given to tools, and how an answer ends that a rule ends."""

import json
import random
import uuid

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from chat.engine.rules_in_force import RulesInForce
from chat.exceptions import ModerationBlocked
from chat.models import Message, ModelCall, ModerationHit, ModerationRule, ToolInvocation
from tests.engine.plays import plays, saying
from tests.engine.tool_plays import asks_for
from tests.engine.tool_plays import plays as tool_plays
from tests.fakes.upstream import chunk

pytestmark = pytest.mark.django_db(transaction=True)


def rule(**columns):
    values = {
        "name": "addresses",
        "kind": "email",
        "longest_match": 345,
        "action": "mask",
        "on_tool_results": True,
    }
    return ModerationRule.objects.create(**values | columns)


def secret(action, **columns):
    return rule(name="the word", kind="literal", pattern="rosebud", longest_match=7, action=action, **columns)


async def ruled(chat, make, *given, **columns):
    return await chat.runtime.database(lambda: make(*given, **columns))


async def hits(chat):
    return await chat.runtime.database(
        lambda: list(
            ModerationHit.objects.order_by("pk").values_list(
                "rule_name", "action", "where", "part", "position"
            )
        )
    )


def said(events, kind="text.delta"):
    return "".join(event["text"] for event in events if event["type"] == kind)


async def test_what_is_masked_is_masked_for_viewers_and_in_the_database(chat, upstream):
    await ruled(chat, rule)

    async def play(answer):
        await answer.say("Write to bo", "b@exam", "ple.org", " today.")
        await answer.end()

    upstream.play = play
    started = await chat.ask("whom?")
    events = await chat.events(started.run)
    assert said(events) == "Write to [e-mail] today."
    assert next(e for e in events if e["type"] == "moderation.flagged")["rule"] == "addresses"
    assert events[-1]["status"] == "completed"
    assert (await chat.answer(started)).parts == [{"type": "text", "text": "Write to [e-mail] today."}]
    assert await hits(chat) == [("addresses", "mask", "output", "text", 9)]
    assert (await chat.row(started.run)).steps[0]["notes"] == [
        {"kind": "moderation", "rule": "addresses", "action": "mask"}
    ]


@pytest.mark.parametrize(("action", "status"), [("stop", "completed"), ("block", "failed")])
async def test_an_answer_ends_where_a_rule_ends_it(chat, upstream, action, status):
    await ruled(chat, secret, action)

    async def play(answer):
        await answer.say("It was ro", "sebu", "d, and more")
        await answer.wait_for_hang_up()

    upstream.play = play
    started = await chat.ask("what?")
    events = await chat.events(started.run)
    assert said(events) == "It was "
    assert events[-1]["status"] == status
    assert [e["finish_reason"] for e in events if e["type"] == "step.finished"] == ["content_filter"]
    assert (await chat.answer(started)).parts == [{"type": "text", "text": "It was "}]
    run = await chat.row(started.run)
    assert (run.error or {}).get("code") == ("moderation_blocked" if action == "block" else None)
    call = await chat.runtime.database(ModelCall.objects.get)
    assert call.outcome == ("moderation_blocked" if action == "block" else "completed")
    assert call.usage_source == "estimated"


async def test_what_is_flagged_is_told_and_shown(chat, upstream):
    await ruled(chat, secret, "flag")
    upstream.play = saying("rosebud", whole=True)
    started = await chat.ask("what?")
    events = await chat.events(started.run)
    assert said(events) == "rosebud"
    assert [e["action"] for e in events if e["type"] == "moderation.flagged"] == ["flag"]


async def test_stop_gives_out_nothing_that_was_held_back_and_keeps_what_was_shown(chat, upstream):
    await ruled(chat, secret, "mask")

    async def play(answer):
        await answer.say("so it was rose")
        await answer.wait_for_hang_up()

    upstream.play = play
    started = await chat.ask("what?")
    await chat.events(started.run, until="text.delta")
    await chat.stop(started)
    await chat.events(started.run)
    assert (await chat.answer(started)).parts == [{"type": "text", "text": "so it was "}]


async def test_an_attempt_that_is_made_again_begins_anew(chat, upstream):
    await ruled(chat, secret, "mask")
    plays(upstream, saying("a rose"), saying("bud and rosebud", whole=True))
    started = await chat.ask("what?")
    events = await chat.events(started.run)
    assert (await chat.answer(started)).parts == [{"type": "text", "text": "bud and [removed]"}]
    assert "rosebud" not in json.dumps(events)


async def test_thoughts_and_refusals_are_held_against_the_rules_too(chat, upstream):
    await ruled(chat, secret, "mask")

    async def play(answer):
        for piece in ("think rose", "bud."):
            body = {"choices": [{"index": 0, "delta": {"reasoning_content": piece}}]}
            await answer.send(b"data: " + json.dumps(body).encode() + b"\n\n")
        body = {"choices": [{"index": 0, "delta": {"refusal": "no rosebud"}}]}
        await answer.send(b"data: " + json.dumps(body).encode() + b"\n\n")
        await answer.end()

    upstream.play = play
    started = await chat.ask("what?")
    events = await chat.events(started.run)
    assert said(events, "reasoning.delta") == "think [removed]."
    assert said(events, "refusal.delta") == "no [removed]"
    assert "rosebud" not in json.dumps((await chat.answer(started)).parts)


async def test_a_tool_gets_the_arguments_that_viewers_are_shown(chat, upstream, worker):
    await ruled(chat, rule)
    arguments = r'{"expression": "1+1", "note": "bob\u0040example.org"}'
    tool_plays(upstream, asks_for(("calculate", arguments)))
    started = await chat.ask("write")
    events = await chat.events(started.run)
    ready = next(event for event in events if event["type"] == "tool.ready")
    assert ready["arguments"]["note"] == "[e-mail]"
    row = await chat.runtime.database(ToolInvocation.objects.get)
    assert json.loads(row.arguments)["note"] == "[e-mail]"
    assert "example.org" not in json.dumps(events)


async def test_a_tool_whose_arguments_are_blocked_is_not_run(chat, upstream):
    await ruled(chat, secret, "block")
    tool_plays(upstream, asks_for(("calculate", '{"expression": "rosebud"}')))
    started = await chat.ask("write")
    events = await chat.events(started.run)
    assert events[-1]["error"]["code"] == "moderation_blocked"
    assert not await chat.runtime.database(ToolInvocation.objects.exists)
    assert "rosebud" not in json.dumps(events)


async def test_what_somebody_sends_is_masked_before_it_is_stored_and_sent(chat, upstream):
    await ruled(chat, rule)
    started = await chat.ask("I am bob@example.org")
    await chat.events(started.run)
    assert upstream.requests[0]["messages"][0]["content"] == "I am [e-mail]"
    question = await chat.runtime.database(lambda: Message.objects.get(role="user"))
    assert question.parts == [{"type": "text", "text": "I am [e-mail]"}]
    assert await hits(chat) == [("addresses", "mask", "input", "text", 5)]


async def test_what_is_blocked_is_not_sent_and_noted(chat, upstream):
    await ruled(chat, secret, "block")
    with pytest.raises(ModerationBlocked, match="the word"):
        await chat.ask("say rosebud")
    assert not upstream.requests
    assert not await chat.runtime.database(Message.objects.exists)
    assert await hits(chat) == [("the word", "block", "input", "text", 4)]


async def test_over_random_ways_to_cut_an_answer_nothing_leaks_anywhere(chat, upstream):
    """P15 at the end of the whole road: what is told and what is stored."""
    await ruled(chat, rule)
    await ruled(chat, secret, "mask")
    text = "Dear Bob, write to bob@example.org about Rosebud, or to al@example.com."
    chance = random.Random(15)  # noqa: S311  (the same each time)
    for _ in range(40):
        places = sorted(chance.randint(0, len(text)) for _ in range(chance.randint(0, len(text))))
        pieces = [text[a:b] for a, b in zip([0, *places], [*places, len(text)], strict=True)]

        async def play(answer, pieces=pieces):
            for piece in pieces:
                await answer.send(chunk(piece))
            await answer.end()

        upstream.play = play
        started = await chat.ask("again")
        events = await chat.events(started.run)
        whole = "Dear Bob, write to [e-mail] about [removed], or to [e-mail]."
        assert said(events) == whole
        assert (await chat.answer(started)).parts == [{"type": "text", "text": whole}]


# --- which rules hold -----------------------------------------------------------------------------------


def test_without_rules_there_is_one_query_a_second(db):
    now = [100.0]
    rules = RulesInForce(lambda: now[0])
    with CaptureQueriesContext(
        connection,
    ) as asked:
        for _ in range(10):
            assert rules.for_user(uuid.UUID(int=0)).output is None
    assert len(asked) == 1
    now[0] += 1.1
    rule()
    assert rules.for_user(uuid.UUID(int=0)).output is not None


def test_a_rule_for_a_group_holds_for_its_people_alone(alice, bob):
    from django.contrib.auth.models import Group

    group = Group.objects.create(name="sales")
    alice.groups.add(group)
    rule().groups.add(group)
    rules = RulesInForce(lambda: 0.0)
    assert rules.for_user(alice.pk).output is not None
    assert rules.for_user(bob.pk).output is None
