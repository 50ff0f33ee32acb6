"""Slow readers on a real server, and what is seen of them from outside."""

import asyncio
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import msgspec
import websockets

from tests.chaos.ground import Ground, all_events, begin
from tests.chaos.raw import TEXT, frame, frames, raw_socket
from tests.chaos.streams import streams
from tests.live import Person, Socket, text_of, words

DELTAS = 120_000
MODEL = f"demo-n{DELTAS}-r0-d0"
"""Most of a megabyte of text, three times what a socket may owe."""
TEXT_THEN = words(DELTAS)
LESS = 20_000
LESS_MODEL = f"demo-n{LESS}-r0-d0"
"""Still more than may be owed at once, four or five times."""
OTHERS = 10
STREAM = "stamp-n500-r50"
READ_BEFORE = 5
"""Events that a reader still takes before it reads no more."""
PER_PERSON = 10
WINDOW_SECONDS = 8.0
LOOK_SECONDS = 0.25
SETTLE_SECONDS = 0.5
"""Until the last of them has been sent what it may owe."""
PATIENCE_SECONDS = 60.0
NAN = float("nan")


@dataclass
class Facts:
    """Of one kind of reader; NAN where nothing was measured."""

    name: str
    clients: int
    kilobytes: float = NAN
    gone_seconds: float = NAN
    before_ms: float = NAN
    coming_ms: float = NAN
    """Others' latency while all of them connect at once and are sent what they may owe: as with readers of any kind."""
    meanwhile_ms: float = NAN
    codes: set[int] = field(default_factory=set)
    whole: int = 0
    came_back: int = 0

    @property
    def ratio(self) -> float:
        return self.meanwhile_ms / self.before_ms


class Silent:
    """Follows a run, takes a few events, and then reads no more; its connection stays open."""

    def __init__(self, person: Person, run: str, window: int) -> None:
        self.person, self.run = person, run
        self.line = raw_socket(person, receive_buffer=window)
        self.port = self.line.getsockname()[1]
        self.seen: list[dict[str, Any]] = []
        self.line.sendall(frame(msgspec.json.encode({"type": "run.follow", "run": run, "after": None})))
        for code, payload in frames(self.line):
            told = msgspec.json.decode(payload) if code == TEXT else {}
            if told.get("type") == "event":
                self.seen.append(told)
            if len(self.seen) == READ_BEFORE:
                break
        self.began = time.monotonic()


class Readers:
    def __init__(self, found: Ground, clients: int, rounds: int, ack_seconds: float) -> None:
        self._found = found
        self._clients = clients
        self._rounds = rounds
        self._ack_seconds = ack_seconds
        *self._slow, self._other = found.people
        self._runs: dict[str, str] = {}

    async def prepare(self) -> None:
        """The run that each of the slow ones will follow is made, and everything has been used once."""
        for person in self._slow:
            self._runs[person.name] = await self._made(person, MODEL, TEXT_THEN)
        first = self._slow[0]
        (await asyncio.to_thread(Silent, first, self._runs[first.name], 0)).line.close()
        async with streams(self._other, f"bench/{STREAM}", OTHERS):
            pass

    async def _made(self, person: Person, model: str, text: str) -> str:
        async with person.socket() as tab:
            started = await begin(tab, f"demo/{model}", str(uuid.uuid4()))
            assert text_of(await all_events(tab, started["run"])) == text
        return str(started["run"])

    async def never_read(self, name: str, window: int) -> Facts:
        facts = Facts(name, self._clients)
        before_ms, coming_ms, meanwhile_ms, gone = [], [], [], []
        before = self._found.memory()
        silent = await asyncio.to_thread(self._silent, window)
        most, seconds = await self._most_memory_until_gone(silent)
        facts.kilobytes = (most - before) / len(silent) / 1000
        gone.append(seconds)
        for _ in range(self._rounds):
            async with streams(self._other, f"bench/{STREAM}", OTHERS) as others:
                # Looked at as later: the looking costs something, too.
                until = time.monotonic() + WINDOW_SECONDS
                while time.monotonic() < until:
                    self._ports_held()
                    await asyncio.sleep(LOOK_SECONDS)
                before_ms.append((await others.since())["p95_ms"])
                silent = await asyncio.to_thread(self._silent, window)
                await asyncio.sleep(SETTLE_SECONDS)
                coming_ms.append((await others.since())["p95_ms"])
                gone.append(await self._gone(silent))
                meanwhile_ms.append((await others.since())["p95_ms"])
        facts.gone_seconds = max(gone)
        if self._rounds:
            facts.before_ms, facts.coming_ms = median(before_ms), median(coming_ms)
            facts.meanwhile_ms = median(meanwhile_ms)
        for one in silent[::PER_PERSON]:
            whole = await _comes_back(one)
            facts.came_back += 1
            facts.whole += whole
        for one in silent:
            one.line.close()
        return facts

    async def _most_memory_until_gone(self, silent: list[Silent]) -> tuple[int, float]:
        most = self._found.memory()
        going = asyncio.create_task(self._gone(silent))
        while not going.done():
            most = max(most, self._found.memory())
            await asyncio.sleep(0.02)
        return most, await going

    def _silent(self, window: int) -> list[Silent]:
        people = [self._slow[number // PER_PERSON] for number in range(self._clients)]
        return [Silent(person, self._runs[person.name], window) for person in people]

    async def _gone(self, silent: list[Silent]) -> float:
        """How long the last one was connected, by what the server's process holds open."""
        began = {one.port: one.began for one in silent}
        longest = 0.0
        while began:
            held = self._ports_held()
            now = time.monotonic()
            for port in [port for port in began if port not in held]:
                longest = max(longest, now - began.pop(port))
            if began and now - min(began.values()) > PATIENCE_SECONDS:
                return PATIENCE_SECONDS
            await asyncio.sleep(LOOK_SECONDS)
        return longest

    def _ports_held(self) -> set[int]:
        return {one.raddr.port for one in self._found.process.net_connections("tcp4") if one.raddr}

    async def never_acknowledge(self, name: str) -> Facts:
        facts = Facts(name, PER_PERSON)
        person = self._slow[0]

        async def one() -> float:
            async with person.socket() as tab:
                await tab.send("run.follow", run=self._runs[person.name], after=None)
                last = time.monotonic()
                with suppress(websockets.ConnectionClosed):
                    while True:
                        if (await tab.next(PATIENCE_SECONDS))["type"] == "event":
                            last = time.monotonic()
                facts.codes.add(tab.line.close_code)
                return time.monotonic() - last

        facts.gone_seconds = max(await asyncio.gather(*(one() for _ in range(PER_PERSON))))
        return facts

    async def acknowledge_late(self, name: str) -> Facts:
        """Always when two thirds of the time that is left have passed."""
        person = self._slow[0]
        facts = Facts(name, PER_PERSON, came_back=PER_PERSON)
        run = await self._made(person, LESS_MODEL, words(LESS))

        async def one() -> bool:
            async with person.socket() as tab:
                await tab.send("run.follow", run=run, after=None)
                return text_of(await _all_events(tab, self._ack_seconds * 2 / 3)) == words(LESS)

        facts.whole = sum(await asyncio.gather(*(one() for _ in range(PER_PERSON))))
        return facts


async def _all_events(tab: Socket, wait_seconds: float) -> list[dict[str, Any]]:
    """Acknowledged only once the server has nothing more to say for so long."""
    frames_seen: list[dict[str, Any]] = []
    while not frames_seen or frames_seen[-1]["event"]["type"] != "run.finished":
        try:
            told = await tab.next(wait_seconds)
        except TimeoutError:
            await tab.ack(frames_seen[-1])
            continue
        if told["type"] == "event":
            frames_seen.append(told)
    return frames_seen


async def _comes_back(one: Silent) -> bool:
    """What it had read and what it is told now are all of the text, once."""
    one.line.close()
    async with one.person.socket() as tab:
        await tab.send("run.follow", run=one.run, after=one.seen[-1]["cursor"])
        later = await all_events(tab, one.run)
    return text_of(one.seen + later) == TEXT_THEN
