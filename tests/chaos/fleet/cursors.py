"""P1: an answer resumed from each of its cursors, at its maker's and elsewhere, while it runs and after its end."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec
import websockets

from bench.report import row
from tests.chaos.fleet.bed import Fleet, Size, fleet
from tests.chaos.fleet.screen import Screen
from tests.chaos.fleet.verdict import p
from tests.chaos.report import Section
from tests.live import words

MOST_REPLAY_MS = 300.0
PLENTY = {"CHAT_COMMANDS_PER_MINUTE": "100000", "CHAT_FRAMES_PER_MINUTE": "1000000"}
"""One socket asks for every cursor there is."""
ODD_CURSORS = ("x", "1", "", "1-2-3", "-1-2", "1-x", "01-2", "99999999999-1")
UNKNOWN_CURSORS = ("0-5", "1-999999", "2-1", "7-0")
PLACES = ("its maker's", "another process")
HEADS = ("", "events", "resumed", "p50 ms", "p95 ms", "max ms", "wrong")


class Reader:
    """A bare line on which runs are followed one after the other."""

    def __init__(self, line: Any) -> None:
        self._line = line
        self._refs = 0

    async def say(self, type_: str, **fields: Any) -> None:
        await self._line.send(msgspec.json.encode({"type": type_, **fields}).decode())

    async def next(self) -> dict[str, Any]:
        async with asyncio.timeout(20):
            frame: dict[str, Any] = msgspec.json.decode(await self._line.recv())
        return frame

    async def ask(self, type_: str, **fields: Any) -> dict[str, Any]:
        """The reply; events that come before it are of what was followed before."""
        self._refs += 1
        await self.say(type_, ref=self._refs, **fields)
        while True:
            frame = await self.next()
            if frame["type"] == "reply" and frame["ref"] == self._refs:
                return frame

    async def events(self, run: str, after: str | None, until: str = "") -> list[dict[str, Any]]:
        """What comes from a cursor on, up to another one or to the end."""
        reply = await self.ask("run.follow", run=run, after=after)
        assert reply["ok"], reply
        got: list[dict[str, Any]] = []
        while not got or (got[-1]["cursor"] != until and got[-1]["event"]["type"] != "run.finished"):
            frame = await self.next()
            if frame["type"] == "event":
                got.append(frame)
                if len(got) % 64 == 0:
                    await self.say("ack", run=run, cursor=frame["cursor"])
        return got


@asynccontextmanager
async def reader(bed: Fleet, door: int) -> AsyncIterator[Reader]:
    port = bed.ports[door]
    async with websockets.connect(
        f"ws://127.0.0.1:{port}/ws/chat/",
        additional_headers={"Cookie": bed.cookies[0]},
        origin=f"http://127.0.0.1:{port}",  # type: ignore[arg-type]
        max_size=None,
        compression=None,
        proxy=None,
    ) as line:
        made = Reader(line)
        assert (await made.next())["type"] == "ready"
        yield made


@dataclass
class Resumed:
    """`whole` has all events of the answer, as they came to who watched it from its start."""

    whole: list[dict[str, Any]] = field(default_factory=list)
    times: int = 0
    wrong: list[str] = field(default_factory=list)

    def judge(self, where: str, after: str | None, got: list[dict[str, Any]], known: int) -> None:
        self.times += 1
        start = 0 if after is None else next(n for n, f in enumerate(self.whole, 1) if f["cursor"] == after)
        if got != self.whole[start:known]:
            self.wrong.append(f"{where}, after {after}: {[f['cursor'] for f in got][:5]}…")


async def measure(replays: int) -> Section:
    section = Section("P1: resumed from every cursor", HEADS)
    with fleet(Size(people=1, settings=PLENTY)) as bed:
        wrong = []
        for name, part in (await every_cursor(bed, 400, 20)).items():
            cells = (len(part.whole), part.times, "", "", "", len(part.wrong))
            section.add(row(name, *cells), failed=part.wrong)
            wrong += part.wrong
        for number, where in enumerate(PLACES):
            seconds, events = await replayed(bed, number, 2000, replays)
            figures = [f"{1000 * value:.0f}" for value in (p(seconds, 0.5), p(seconds, 0.95), max(seconds))]
            late = p(seconds, 0.95) * 1000 > MOST_REPLAY_MS
            section.add(row(f"replay at {where}", events, len(seconds), *figures, ""), failed=late)
    section.complain(wrong)
    return section


async def every_cursor(bed: Fleet, deltas: int, per_second: int) -> dict[str, Resumed]:
    """The parts of the table."""
    whole: list[dict[str, Any]] = []
    running, ended, odd = Resumed(whole), Resumed(whole), Resumed(whole)
    async with reader(bed, 0) as first, reader(bed, 0) as near, reader(bed, 1) as far:
        run = await begin(bed, first, deltas, per_second)
        places = dict(zip(PLACES, (near, far), strict=True))
        watching = asyncio.create_task(watch(first, run, whole))
        await while_it_runs(run, places, watching, running)
        await watching
        for where, one in places.items():
            for after in (None, *(frame["cursor"] for frame in whole[:-1])):
                ended.judge(where, after, await one.events(run, after), len(whole))
            await odd_ones(run, where, one, odd)
    if text_of(whole) != words(deltas):
        ended.wrong.append("the whole is not the text")
    return {"while it runs": running, "after its end": ended, "odd cursors, and unknown ones": odd}


async def begin(bed: Fleet, one: Reader, deltas: int, per_second: int) -> str:
    model = await asyncio.to_thread(bed.model, deltas, per_second)
    content = [{"type": "text", "text": "hello"}]
    reply = await one.ask("run.start", key=str(uuid.uuid4()), models=[model], content=content)
    assert reply["ok"], reply
    bed.expected[reply["run"]] = words(deltas)
    return str(reply["run"])


async def watch(one: Reader, run: str, whole: list[dict[str, Any]]) -> None:
    while not whole or whole[-1]["event"]["type"] != "run.finished":
        frame = await one.next()
        if frame["type"] == "event" and frame["run"] == run:
            whole.append(frame)
            await one.say("ack", run=run, cursor=frame["cursor"])


async def while_it_runs(
    run: str, places: dict[str, Reader], watching: "asyncio.Task[None]", result: Resumed
) -> None:
    """Each cursor once, as soon as there is something after it, up to the newest event that is known by then."""
    for number in range(100_000):
        while len(result.whole) < number + 2 and not watching.done():
            await asyncio.sleep(0.005)
        if watching.done() and len(result.whole) < number + 2:
            return
        after = result.whole[number]["cursor"]
        for where, one in places.items():
            known = len(result.whole)
            result.judge(where, after, await one.events(run, after, result.whole[known - 1]["cursor"]), known)


async def odd_ones(run: str, where: str, one: Reader, result: Resumed) -> None:
    """A typed error and a socket that lives; or a snapshot with the end behind it."""
    last = result.whole[-1]
    for after in ODD_CURSORS:
        result.times += 1
        reply = await one.ask("run.follow", run=run, after=after)
        if reply["ok"] or reply["error"]["code"] != "bad_cursor":
            result.wrong.append(f"{where}, after {after!r}: {reply}")
    for after in UNKNOWN_CURSORS:
        result.times += 1
        got = await one.events(run, after)
        screen = Screen(run)
        for frame in got:
            screen.show(frame, 0.0)
        kinds = [frame["event"]["type"] for frame in got]
        if kinds != ["run.snapshot", "run.finished"] or got[-1] != last or screen.wrong:
            result.wrong.append(f"{where}, after {after}: {kinds} {screen.wrong}")
        if screen.text != text_of(result.whole):
            result.wrong.append(f"{where}, after {after}: another text")


async def replayed(bed: Fleet, door: int, deltas: int, times: int) -> tuple[list[float], int]:
    """How long all events of an ended answer take, from the question to the last one."""
    async with reader(bed, 0) as first, reader(bed, door) as one:
        whole: list[dict[str, Any]] = []
        run = await begin(bed, first, deltas, 200)
        await watch(first, run, whole)
        seconds = []
        for _ in range(times):
            began = time.monotonic()
            got = await one.events(run, None)
            seconds.append(time.monotonic() - began)
            assert got == whole
    return seconds, len(whole)


def text_of(frames: list[dict[str, Any]]) -> str:
    return "".join(frame["event"]["text"] for frame in frames if frame["event"]["type"] == "text.delta")
