"""Six processes that write into one SQLite without a pause, and the same with what Django sets by itself (P6)."""

import asyncio
import tempfile
from pathlib import Path

from bench.report import row
from tests.chaos.report import Section
from tests.chaos.writers import Tally, together
from tests.live import LiveSite

MOST_MS = 100.0
PROCESSES = 6
PREPARE = "from tests.chaos.writers import prepare; prepare()"
HEADS = ("settings", "transactions", "refused", "p50, ms", "p99", "slowest", "goal")


async def measure(transactions: int = 10_000, by_default: int = 1_000) -> Section:
    """`by_default`: so many with Django's defaults, to compare."""
    section = Section("P6: six processes write into one SQLite", HEADS)
    ours = await asyncio.to_thread(_written, transactions, False)
    section.add(_shown("ours", ours, f"none, p99 ≤ {MOST_MS:.0f} ms"), failed=failed(ours))
    if by_default:
        stock = await asyncio.to_thread(_written, by_default, True)
        section.add(_shown("Django's defaults", stock, ""))
    section.note(
        "Starts, partial texts, ends, stops, renamings and deletions in the same few conversations, each process one "
        "after the other without a pause: a transaction's time is mostly the five others'. Refused: told that the "
        "database is locked."
    )
    return section


def failed(tally: Tally) -> bool:
    return bool(tally.failures) or tally.percentile(0.99) * 1000 > MOST_MS


def _shown(name: str, tally: Tally, goal: str) -> str:
    p50, p99, most = (f"{tally.percentile(share) * 1000:.1f}" for share in (0.5, 0.99, 1.0))
    refused = sum(tally.failures.values())
    return row(
        name, len(tally.seconds), f"{refused} ({refused / len(tally.seconds):.1%})", p50, p99, most, goal
    )


def _written(transactions: int, by_default: bool) -> Tally:
    with tempfile.TemporaryDirectory() as folder:
        site = LiveSite(Path(folder), settings={"LOG_LEVEL": "ERROR"})
        site.manage("migrate", "-v0")
        site.manage("shell", "-v0", "-c", PREPARE)
        return together(PROCESSES, transactions, site.environment(), by_default=by_default)
