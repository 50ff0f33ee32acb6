"""Clients that send more than they may: closed with the right code, and never kept in memory (P10)."""

import asyncio
import json
import struct
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from bench.report import row
from tests.chaos.ground import SERVERS, Ground, ground
from tests.chaos.raw import CONTINUED, PING, TEXT, closing_code, frame, raw_socket
from tests.chaos.report import Section
from tests.chaos.streams import Streams, streams
from tests.live import Person
from tests.project.wire import reset

MOST_MB = 5.0
MOST_GAP_MS = 1000.0
"""Of another client's stream of 50 words a second."""
STREAM = "stamp-n500-r50"
TOO_LARGE, TOO_MUCH = 4413, 4429
CUT_OFF = {1006, 1009}
"""Without a word, or as the protocol says it (RFC 6455, 7.4.1)."""
BLOCK = 262_144
WARM_UP_MB = 5.0
LOOK_SECONDS = 0.02
NOBODY = "00000000-0000-7000-8000-000000000000"
HEADS = (
    "server",
    "pushed",
    "MB",
    "connections",
    "MB a second",
    "closed with",
    "memory, MB: most",
    "another's stream, ms: p95",
    "latest",
    "goal",
)


def command(**fields: Any) -> bytes:
    return frame(json.dumps(fields).encode())


ACK = command(type="ack", run=NOBODY, cursor="1-1")
STOP = command(type="run.stop", run=NOBODY)
GOOD_AND_LARGE = command(type="ping", ref="x" * 60_000)


@dataclass(frozen=True)
class Once:
    """What is sent once, and how that has to end."""

    name: str
    data: bytes
    codes: set[int]


ONCE = (
    Once("a frame of 70 kB", command(type="ping", ref="x" * 70_000), {TOO_LARGE}),
    Once("a frame of 150 kB", command(type="ping", ref="x" * 150_000), CUT_OFF),
    Once("101 commands", STOP * 101, {TOO_MUCH}),
    # The bucket fills again while they arrive, by fifty a second.
    Once("3,300 frames", ACK * 3300, {TOO_MUCH}),
)


@dataclass(frozen=True)
class Endless:
    """`head` once, and then `again` for as long as it is taken."""

    name: str
    again: bytes
    head: bytes = b""


ENDLESS = (
    Endless("small frames", ACK),
    Endless("large frames", GOOD_AND_LARGE),
    Endless("frames of 120 kB", command(type="ping", ref="x" * 120_000)),
    Endless(
        "fragments of one message", frame(b"x" * 16, CONTINUED, final=False), frame(b"{", TEXT, final=False)
    ),
    Endless("protocol pings", frame(b"x" * 125, PING)),
    Endless("one frame without end", b"x" * 4096, struct.pack("!BBQ", 0x81, 0xFF, 1 << 40) + bytes(4)),
)


@dataclass
class Pushed:
    megabytes: float = 0.0
    connections: int = 0
    seconds: float = 0.0


async def measure(
    megabytes: float = 200.0,
    seconds: float = 60.0,
    servers: Sequence[str] = SERVERS,
    gap_ms: float = MOST_GAP_MS,
) -> Section:
    """`seconds` is the most that one kind may take."""
    section = Section("P10: clients that flood", HEADS)
    for server in servers:
        with ground(server, people=3, stamps=[STREAM]) as found:
            flooder, other, once = found.people
            for one in ONCE:
                code = await asyncio.to_thread(_send_once, once, one)
                goal = " or ".join(map(str, sorted(one.codes)))
                line = row(server, one.name, f"{len(one.data) / 1e6:.2f}", 1, "", code, "", "", "", goal)
                section.add(line, failed=code not in one.codes)
            for kind in ENDLESS:
                await asyncio.to_thread(_push, flooder, kind, WARM_UP_MB, seconds)
            async with streams(other, f"bench/{STREAM}", 1) as others:
                for kind in ENDLESS:
                    line, grown, alive = await _flood(found, kind, others, megabytes, seconds, gap_ms)
                    section.add(line, failed=grown > MOST_MB or not alive)
    section.note(
        f"Whoever is cut off comes back at once, until {megabytes:g} MB have gone or {seconds:g} s have passed; what "
        "the system's buffers took counts as pushed. Nothing is read. Memory: of the server, above what it had before "
        "the flood, after a small one of each kind. The other's stream has 50 words a second."
    )
    return section


async def _flood(
    found: Ground, kind: Endless, others: Streams, megabytes: float, seconds: float, gap_ms: float
) -> tuple[str, float, bool]:
    """Its row, how much memory it took, and whether the other's stream was alive all the time."""
    await others.since()
    with watched_memory(found) as most_mb:
        pushed = await asyncio.to_thread(_push, found.people[0], kind, megabytes, seconds)
        await asyncio.sleep(0.5)
    seen = await others.since()
    grown = most_mb()
    line = row(
        found.site.server,
        kind.name,
        f"{pushed.megabytes:.0f}",
        pushed.connections,
        f"{pushed.megabytes / pushed.seconds:.0f}",
        "",
        f"{grown:.1f}",
        f"{seen['p95_ms'] or 0:.1f}",
        f"{seen['max_ms'] or 0:.0f}",
        f"≤ {MOST_MB:.0f} MB, live",
    )
    return line, grown, bool(seen["deltas"] and not seen["lost"] and seen["max_ms"] <= gap_ms)


def _send_once(person: Person, one: Once) -> int:
    line = raw_socket(person)
    with suppress(OSError):  # cut off meanwhile: what was said before can still be read
        line.sendall(one.data)
    code = closing_code(line)
    line.close()
    return code


def _push(person: Person, kind: Endless, megabytes: float, seconds: float) -> Pushed:
    block = kind.again * max(1, BLOCK // len(kind.again))
    pushed, began = Pushed(), time.monotonic()
    while pushed.megabytes < megabytes and time.monotonic() - began < seconds:
        pushed.megabytes += _until_cut_off(
            person, kind.head, block, megabytes - pushed.megabytes, began + seconds
        )
        pushed.connections += 1
    pushed.seconds = time.monotonic() - began
    return pushed


def _until_cut_off(person: Person, head: bytes, block: bytes, megabytes: float, until: float) -> float:
    try:
        line = raw_socket(person, timeout=2)
    except OSError:
        time.sleep(0.05)
        return 0.0
    sent = 0
    try:
        line.sendall(head)
        while sent < megabytes * 1e6 and time.monotonic() < until:
            sent += line.send(block)
    except OSError:
        pass
    reset(line)
    return sent / 1e6


@contextmanager
def watched_memory(found: Ground) -> Iterator[Callable[[], float]]:
    """How many MB the server had at most above what it had at the beginning."""
    before = most = found.memory()
    over = threading.Event()

    def watch() -> None:
        nonlocal most
        while not over.wait(LOOK_SECONDS):
            most = max(most, found.memory())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield lambda: (most - before) / 1e6
    finally:
        over.set()
        watcher.join()
