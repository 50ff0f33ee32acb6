"""The WebSocket as clients meet it: a real client against the running server."""

import asyncio
import json
import math
import random
import uuid

import pytest
import websockets

from tests.live import Person, connect, text_of, words

pytestmark = pytest.mark.server


@pytest.fixture
def alice(site) -> Person:
    return site.sign_in("alice")


@pytest.fixture
def mallory(site) -> Person:
    return site.sign_in("mallory")


def question(model="demo/demo-n300-r0-d0", text="hello", **more):
    return {
        "key": str(uuid.uuid4()),
        "models": [model],
        "content": [{"type": "text", "text": text}],
        **more,
    }


async def read_for_ever(line) -> None:
    while True:
        await line.recv()


async def closing_code(line) -> int:
    async with asyncio.timeout(20):
        with pytest.raises(websockets.ConnectionClosed):
            await read_for_ever(line)
    return line.close_code


async def collect(tab, frames, most: float) -> None:
    """Event frames until there are so many, none acknowledged; the pings say that somebody is there."""
    while len(frames) < most:
        frame = await tab.next()
        if frame["type"] == "event":
            frames.append(frame)
            await tab.send("ping")


async def collect_for_ever(tab, frames) -> None:
    await collect(tab, frames, math.inf)


# --- who may come in ----------------------------------------------------------------------------------


async def test_without_a_session_the_socket_is_closed_as_signed_out(site):
    async with connect(site) as line:
        assert await closing_code(line) == 4401


@pytest.mark.parametrize(
    "origin", [None, "http://evil.example", "null", "https://127.0.0.1", "http://127.0.0.1:1"]
)
async def test_a_foreign_or_missing_origin_is_refused_at_the_handshake(site, alice, origin):
    with pytest.raises(websockets.InvalidStatus) as refused:
        await connect(site, cookie=alice.cookie, origin=origin)
    assert refused.value.response.status_code == 403


async def test_a_signed_in_tab_is_greeted_with_protocol_and_limits(site, alice):
    async with connect(site, cookie=alice.cookie) as line:
        ready = json.loads(await line.recv())
    assert (ready["type"], ready["protocol"]) == ("ready", 1)
    assert ready["limits"]["credit_events"] == 256


async def test_more_sockets_than_allowed_are_turned_away(site):
    bob = site.sign_in("bob")
    async with asyncio.timeout(20):
        lines = [await connect(site, cookie=bob.cookie) for _ in range(6)]
        for line in lines:
            await line.recv()
        async with connect(site, cookie=bob.cookie) as one_more:
            assert await closing_code(one_more) == 4429
        for line in lines:
            await line.close()


# --- the main road ------------------------------------------------------------------------------------


async def test_an_answer_streams_in_from_the_first_event_to_the_last(alice):
    async with alice.socket() as tab:
        started = await tab.ask("run.start", **question())
        frames = await tab.events(started["run"])
    assert started["ok"] is True
    assert started["runs"][0]["model"] == "demo/demo-n300-r0-d0"
    assert [f["cursor"] for f in frames] == [f"1-{n}" for n in range(1, len(frames) + 1)]
    assert frames[0]["event"]["type"] == "run.started"
    assert frames[0]["event"]["message"] == started["runs"][0]["message"]
    assert text_of(frames) == words(300)
    assert frames[-1]["event"]["status"] == "completed"


async def test_the_same_key_from_two_tabs_is_one_run(alice):
    ask = question()
    async with alice.socket() as one, alice.socket() as other:
        first, second = await asyncio.gather(one.ask("run.start", **ask), other.ask("run.start", **ask))
        assert first["run"] == second["run"]
        frames = await asyncio.gather(one.events(first["run"]), other.events(first["run"]))
    assert text_of(frames[0]) == text_of(frames[1]) == words(300)


async def test_other_tabs_hear_of_a_run_that_begins_and_ends(alice):
    async with alice.socket() as one, alice.socket() as other:
        started = await one.ask("run.start", **question())
        created = await other.next()
        ended = await other.next()
    assert (created["name"], created["run"]) == ("run.created", started["run"])
    assert created["conversation"] == started["conversation"]
    assert (ended["name"], ended["status"]) == ("run.ended", "completed")


async def test_stop_is_heard_while_the_answer_streams(alice):
    async with alice.socket() as tab:
        started = await tab.ask("run.start", **question("demo/demo-n400-r100-d0"))
        await tab.events(started["run"], until="text.delta")
        assert (await tab.ask("run.stop", run=started["run"]))["ok"] is True
        end = (await tab.events(started["run"]))[-1]["event"]
    assert end["status"] == "stopped"
    assert end["stop_receipt"]["upstream_closed_at"] >= end["stop_receipt"]["requested_at"]


# --- resuming -----------------------------------------------------------------------------------------


async def test_an_answer_that_is_cut_at_random_places_is_whole(alice):
    shuffled = random.Random(7)  # noqa: S311
    async with alice.socket() as tab:
        started = await tab.ask("run.start", **question("demo/demo-n200-r100-d20"))
    run, after, frames = started["run"], None, []
    while not frames or frames[-1]["event"]["type"] != "run.finished":
        async with alice.socket() as tab:
            await tab.send("run.follow", run=run, after=after)
            for _ in range(shuffled.randint(1, 40)):
                frame = await tab.next()
                if frame["type"] == "event":
                    frames.append(frame)
                    after = frame["cursor"]
                    await tab.ack(frame)
                    if frame["event"]["type"] == "run.finished":
                        break
    assert [f["cursor"] for f in frames] == [f"1-{n}" for n in range(1, len(frames) + 1)]
    assert text_of(frames) == words(200)


async def test_a_cursor_the_log_never_gave_out_is_answered_with_a_snapshot(alice):
    async with alice.socket() as tab:
        started = await tab.ask("run.start", **question())
        await tab.events(started["run"])
        assert (await tab.ask("run.follow", run=started["run"], after="7-7"))["ok"] is True
        (snapshot,) = await tab.events(started["run"], until="run.snapshot")
    state = snapshot["event"]["state"]
    assert state["status"] == "completed"
    assert state["steps"][0]["parts"] == [{"type": "text", "text": words(300)}]


async def test_a_cursor_that_is_none_is_an_error_and_the_socket_lives(alice):
    async with alice.socket() as tab:
        started = await tab.ask("run.start", **question())
        await tab.events(started["run"])
        refused = await tab.ask("run.follow", run=started["run"], after="yesterday")
        assert refused["error"]["code"] == "bad_cursor"
        await tab.send("ping")
        assert (await tab.next())["type"] == "pong"


# --- other people's things ----------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["run.follow", "run.stop"])
async def test_a_foreign_run_looks_like_one_that_does_not_exist(alice, mallory, command):
    async with alice.socket() as tab:
        started = await tab.ask("run.start", **question())
        await tab.events(started["run"])
    async with mallory.socket() as stranger:
        foreign = await stranger.ask(command, run=started["run"])
        unknown = await stranger.ask(command, run=str(uuid.uuid4()))
    assert foreign["error"] == unknown["error"]
    assert foreign["error"]["code"] == "not_found"


async def test_nobody_writes_into_somebody_elses_conversation(alice, mallory):
    async with alice.socket() as tab:
        started = await tab.ask("run.start", **question())
    async with mallory.socket() as stranger:
        refused = await stranger.ask("run.start", **question(conversation=started["conversation"]))
    assert refused["error"]["code"] == "not_found"


# --- nonsense and floods ------------------------------------------------------------------------------


async def test_a_bad_frame_is_told_so_and_the_socket_lives(alice):
    async with alice.socket() as tab:
        refused = await tab.ask("run.dance")
        assert refused["error"]["code"] == "bad_frame"
        await tab.send("ping")
        assert (await tab.next())["type"] == "pong"


async def test_nonsense_three_times_is_not_this_protocol(alice):
    async with alice.socket() as tab:
        for text in ("{", "[]", "not json"):
            await tab.line.send(text)
        assert await closing_code(tab.line) == 4422


async def test_a_frame_over_64_kb_closes_the_socket(alice):
    async with alice.socket() as tab:
        await tab.line.send(json.dumps({"type": "ping", "padding": "x" * 70_000}))
        assert await closing_code(tab.line) == 4413


async def test_bytes_are_not_this_protocol(alice):
    async with alice.socket() as tab:
        await tab.line.send(b"\x00\x01")
        assert await closing_code(tab.line) == 4422


async def test_more_commands_than_a_minute_allows_close_the_socket(mallory):
    async with mallory.socket() as tab:
        for _ in range(101):
            await tab.send("run.stop", run=str(uuid.uuid4()))
        assert await closing_code(tab.line) == 4429


# --- credit -------------------------------------------------------------------------------------------


async def test_credit_that_is_paid_lets_the_answer_go_on(alice):
    async with alice.socket() as tab:
        started = await tab.ask("run.start", **question("demo/demo-n400-r200-d0"))
        frames = []
        async with asyncio.timeout(20):
            await collect(tab, frames, 256)
        # More would have been there meanwhile; the server closes a debtor after two seconds.
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(collect_for_ever(tab, frames), timeout=0.5)
        assert len(frames) == 256
        await tab.ack(frames[-1])
        # All of them: the tab has kept what it was shown before.
        frames = await tab.events(started["run"])
    assert text_of(frames) == words(400)


async def test_a_client_that_does_not_ack_is_closed_and_may_resume(alice):
    async with alice.socket() as tab:
        started = await tab.ask("run.start", **question("demo/demo-n400-r100-d0"))
        frames = []
        with pytest.raises(websockets.ConnectionClosed):
            await collect_for_ever(tab, frames)
        assert tab.line.close_code == 4409
    assert len(frames) == 256
    async with alice.socket() as tab:
        await tab.send("run.follow", run=started["run"], after=frames[-1]["cursor"])
        frames += await tab.events(started["run"])
    assert text_of(frames) == words(400)


async def test_a_client_that_says_nothing_at_all_is_closed(alice):
    async with alice.socket() as tab:
        assert await closing_code(tab.line) == 4408
