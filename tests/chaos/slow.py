"""Readers that are slow, or do not read at all: what they cost the server, and everybody else (P9)."""

from collections.abc import Sequence

from bench.report import row
from project.servers.base import CLOSE_SECONDS
from tests.chaos.ground import SERVERS, ground
from tests.chaos.readers import (
    LESS_MODEL,
    MODEL,
    OTHERS,
    PER_PERSON,
    READ_BEFORE,
    STREAM,
    TEXT_THEN,
    Facts,
    Readers,
)
from tests.chaos.report import Section

MOST_KB = 256.0
TICK_SECONDS = 1.0
LATE_SECONDS = 1.0
"""For the machine: the ends of fifty sockets at once."""
MOST_SLOWER = 1.2
TOO_SMALL_MS = 1.0
"""Differences below this are the machine's, not the readers'."""
SMALL_WINDOW = 4096
NO_ACK = 4409
HEADS = (
    "server",
    "readers that",
    "clients",
    "memory, kB each: most",
    "gone after, s: max",
    "others' p95, ms: before",
    "while they come",
    "while they stay",
    "ratio",
    "closed with",
    "text whole",
    "goal",
)


async def measure(
    clients: int = 50,
    rounds: int = 3,
    ack_seconds: float = 15.0,
    servers: Sequence[str] = SERVERS,
    late_seconds: float = LATE_SECONDS,
) -> Section:
    section = Section("P9: readers that are slow", HEADS)
    people = -(-clients // PER_PERSON) + 1
    for server in servers:
        with ground(
            server,
            people=people,
            models=[MODEL, LESS_MODEL],
            stamps=[STREAM],
            settings={"ACK_SECONDS": str(ack_seconds)},
        ) as found:
            readers = Readers(found, clients, rounds, ack_seconds)
            await readers.prepare()
            last = f"{ack_seconds:.0f} s, a tick, a close"
            silent = f"≤ {MOST_KB:.0f} kB, ≤ {last}, ≤ +{MOST_SLOWER - 1:.0%}"
            for facts, goal in (
                (await readers.never_read("never read, window of 4 kB", SMALL_WINDOW), silent),
                (await readers.never_read("never read", 0), silent),
                (await readers.never_acknowledge("read, never acknowledge"), f"{NO_ACK} after {last}"),
                (await readers.acknowledge_late("acknowledge late"), "everything"),
            ):
                section.add(_shown(server, facts, goal), failed=failed(facts, ack_seconds, late_seconds))
    section.note(
        f"Each reader follows a run of {len(TEXT_THEN) / 1e6:.1f} MB. Those who never read take {READ_BEFORE} events, "
        "and then nothing; gone is when the server has closed its end. Memory: of the server, above what it had "
        f"before, while nobody else is there. Others: {OTHERS} streams of 50 words a second, medians of the p95 of "
        f"{rounds} rounds; the ratio is of staying. Whole: who comes back goes on from the last event it has read, "
        "and has every word once."
    )
    return section


def failed(one: Facts, ack_seconds: float, late_seconds: float = LATE_SECONDS) -> bool:
    slower = one.ratio > MOST_SLOWER and one.meanwhile_ms - one.before_ms > TOO_SMALL_MS
    late = one.gone_seconds > ack_seconds + TICK_SECONDS + CLOSE_SECONDS + late_seconds
    early = one.codes and one.gone_seconds < ack_seconds
    wrong = bool(one.codes - {NO_ACK})
    return bool(one.kilobytes > MOST_KB or slower or late or early or wrong or one.whole < one.came_back)


def _shown(server: str, one: Facts, goal: str) -> str:
    def number(value: float, form: str) -> str:
        return "" if value != value else format(value, form)

    return row(
        server,
        one.name,
        one.clients,
        number(one.kilobytes, ".0f"),
        number(one.gone_seconds, ".1f"),
        number(one.before_ms, ".1f"),
        number(one.coming_ms, ".1f"),
        number(one.meanwhile_ms, ".1f"),
        number(one.ratio, ".2f"),
        ", ".join(map(str, sorted(one.codes))),
        f"{one.whole} of {one.came_back}",
        goal,
    )
