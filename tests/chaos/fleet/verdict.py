"""What has to be true in the end, whatever happened meanwhile: of what viewers saw, of the database, of the ledger."""

from collections.abc import Iterable, Mapping, Sequence
from statistics import quantiles

import redis as redis_py

from chat.events.codec import Cursor
from tests.chaos.fleet import witness
from tests.chaos.fleet.bed import Fleet, Stored
from tests.chaos.fleet.screen import Screen
from tests.chaos.fleet.viewer import Viewer
from tests.chaos.ledger import differences as ledger_differences


def p(values: Iterable[float], share: float) -> float:
    """A percentile; nan where there is nothing."""
    known = sorted(values)
    if len(known) < 2:
        return known[0] if known else float("nan")
    return quantiles(known, n=100, method="inclusive")[round(share * 100) - 1]


def seen(viewers: Iterable[Viewer], expected: Mapping[str, str]) -> list[str]:
    """What viewers saw: `expected` has the text of each run."""
    wrong: list[str] = []
    for viewer in viewers:
        wrong += viewer.wrong
        for screen in viewer.screens.values():
            wrong += seen_by_one(screen, expected.get(screen.run))
    return wrong


def seen_by_one(screen: Screen, text: str | None) -> list[str]:
    wrong = [f"{screen.run}: {said}" for said in screen.wrong]
    if screen.ends != 1:
        wrong.append(f"{screen.run}: {screen.ends} ends seen")
    if screen.ended != "completed":
        wrong.append(f"{screen.run}: {screen.ended or 'no end'} seen")
    if screen.text != text:
        wrong.append(f"{screen.run}: another text seen{difference(screen.text, text or '')}")
    return wrong


def stored(rows: Mapping[str, Stored], expected: Mapping[str, str]) -> list[str]:
    wrong = [f"{run}: a run that nobody has asked for" for run in rows.keys() - expected.keys()]
    for run, text in expected.items():
        row = rows.get(run)
        if row is None:
            wrong.append(f"{run}: not stored")
        elif row.status != "completed":
            wrong.append(f"{run}: stored as {row.status}")
        elif row.text != text:
            wrong.append(f"{run}: another text stored{difference(row.text, text)}")
    return wrong


def difference(one: str, other: str) -> str:
    """Where two texts part."""
    at = next(
        (n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
    )
    return f", {len(one)} instead of {len(other)} letters, from {at} on: {one[at : at + 30]!r}"


def judged(fleet: Fleet, viewers: Sequence[Viewer]) -> list[str]:
    """All that can be checked once nothing runs any more; empty where every promise held."""
    wrong = seen(viewers, fleet.expected) + stored(fleet.stored(), fleet.expected)
    if (called := fleet.calls_seen()) != (billed := fleet.calls_billed()):
        wrong.append(f"{billed} calls in the ledger, {called} made upstream")
    wrong += ledger_differences(fleet.sites[0])
    if fleet.redis is not None:
        rows = witness.written(fleet.database_url)
        wrong += witness.complaints(rows)
        wrong += [f"{run}: ended {n} times" for run, n in witness.ends_of(rows).items() if n != 1]
    return wrong


def streams(fleet: Fleet, runs: Iterable[str]) -> list[str]:
    """Of each stream in Redis: numbers that only rise, and nothing of an old epoch after a claim."""
    assert fleet.redis is not None
    wrong: list[str] = []
    with redis_py.Redis(port=fleet.redis.port) as line:
        for run in runs:
            entries = line.xrange(f"events:run:{run}")
            cursors = [(Cursor.parse(key.decode()), b"c" in fields) for key, fields in entries]
            wrong += [f"stream of {run}: {said}" for said in stream_complaints(cursors)]
    return wrong


def stream_complaints(cursors: Sequence[tuple[Cursor, bool]]) -> list[str]:
    """`True` beside a claim."""
    wrong: list[str] = []
    last = Cursor(0, 0)
    for cursor, claims in cursors:
        if cursor <= last:
            wrong.append(f"{cursor} after {last}")
        if cursor.epoch != last.epoch and not claims:
            wrong.append(f"{cursor} without a claim of its epoch")
        if cursor.epoch == last.epoch and cursor.seq != last.seq + 1:
            wrong.append(f"{cursor} after {last}: a hole")
        last = cursor
    return wrong if cursors else ["nothing in it"]
