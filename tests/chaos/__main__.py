"""`make chaos`: what the promises about providers and processes are worth, measured; tables, also in a file.

python -m tests.chaos [--runs 100] [--failures 1000] [--share 0.1] [--only faults kills …] [--faults NAME …] [--out F]
"""

import argparse
import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.report import machine
from tests.chaos.bed import ROOT, Bed, run_on_bed
from tests.chaos.report import Section, say

SECTIONS = ("faults", "storm", "failure", "breaker", "probes", "line")
FLEET = (
    "tools", "tool_times", "parked", "callbacks", "cuts", "cursors", "kills", "zombies", "redis", "restarts", "single",
    "budget",
)  # fmt: skip
"""Over several server processes, on a bed of their own (docs/measuring.md)."""
SERVER_SECTIONS = ("away", "lock", "slow", "flood", "revocation", "costs")
"""About a whole server of its own, with real sockets."""


def main() -> int:
    options = read_options()
    head = f"# Chaos\n\n{machine()}"
    say(head)
    sections: list[Section] = []

    wanted = options.only or (*SECTIONS, *SERVER_SECTIONS, *FLEET)

    async def measure(bed: Bed) -> int:
        sections.extend([await made_by(name, options)(bed) for name in wanted if name in SECTIONS])
        return 0

    if set(wanted) & set(SECTIONS):
        run_on_bed(measure)
    sections += [asyncio.run(server_section(name, options)) for name in wanted if name in SERVER_SECTIONS]
    sections += [asyncio.run(fleet_section(name, options)) for name in wanted if name in FLEET]
    failed = sum(section.failed for section in sections)
    if options.out:
        options.out.write_text("\n".join([head, *(section.text for section in sections)]))
    say(f"{failed} rows in which a promise did not hold" if failed else "every promise held")
    return 1 if failed else 0


def made_by(name: str, options: argparse.Namespace) -> Callable[[Bed], Awaitable[Section]]:
    # Only now: they need Django set up.
    from tests.chaos import breaker, failure, faults, line, probes, storm

    makers: dict[str, Callable[[Bed], Awaitable[Section]]] = {
        "faults": lambda bed: faults.measure(bed, options.runs, options.faults),
        "storm": lambda bed: storm.measure(bed, options.failures),
        "failure": lambda bed: failure.measure(bed, options.failures),
        "breaker": breaker.measure,
        "probes": lambda _: probes.measure(),
        "line": lambda _: line.measure(options.gigabytes),
    }
    return makers[name]


def server_section(name: str, options: argparse.Namespace) -> Coroutine[Any, Any, Section]:
    from tests.chaos import away, costs, flood, lock, revocation, slow

    makers: dict[str, Callable[[], Coroutine[Any, Any, Section]]] = {
        "away": lambda: away.measure(options.seconds, round(options.seconds / 2)),
        "lock": lambda: lock.measure(options.transactions),
        "slow": lambda: slow.measure(options.readers),
        "flood": lambda: flood.measure(options.megabytes),
        "revocation": revocation.measure,
        "costs": costs.measure,
    }
    return makers[name]()


def fleet_section(name: str, options: argparse.Namespace) -> Coroutine[Any, Any, Section]:
    from tests.chaos.callbacks import parked, rate
    from tests.chaos.fleet import budget, cursors, cuts, kills, losses, restarts
    from tests.chaos.tools import kills as tool_kills
    from tests.chaos.tools import times as tool_times

    def much(usual: int) -> int:
        return max(1, round(usual * options.share))

    makers: dict[str, Callable[[], Coroutine[Any, Any, Section]]] = {
        "tools": lambda: tool_kills.measure(much(20)),
        "tool_times": lambda: tool_times.measure(much(30)),
        "parked": lambda: parked.measure(much(1000), much(50)),
        "callbacks": lambda: rate.measure(much(3000), much(2000), much(300), much(1000)),
        "cuts": lambda: cuts.measure(much(1000)),
        "cursors": lambda: cursors.measure(much(40)),
        "kills": lambda: kills.measure_kills(much(20), runs=10),
        "zombies": lambda: kills.measure_zombies(much(5), runs=10),
        "redis": lambda: losses.measure(much(10), seconds=10),
        "restarts": lambda: restarts.measure(much(20)),
        "budget": budget.measure,
        "single": lambda: restarts.measure_single(much(3), runs=5),
    }
    return makers[name]()


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos")
    parser.add_argument("--runs", type=int, default=100, help="of each fault (default: %(default)s)")
    parser.add_argument(
        "--failures", type=int, default=1000, help="at total failure, and mixed (default: %(default)s)"
    )
    parser.add_argument("--gigabytes", type=float, default=1.0, help="of one line (default: %(default)s)")
    parser.add_argument(
        "--share", type=float, default=1.0, help="of the cuts, kills, losses, restarts (default: %(default)s)"
    )
    parser.add_argument(
        "--seconds", type=float, default=600, help="without a database (default: %(default)s)"
    )
    parser.add_argument("--transactions", type=int, default=10_000, help="of six (default: %(default)s)")
    parser.add_argument("--readers", type=int, default=50, help="who never read (default: %(default)s)")
    parser.add_argument("--megabytes", type=float, default=200, help="of a flood (default: %(default)s)")
    parser.add_argument(
        "--only", nargs="*", choices=(*SECTIONS, *SERVER_SECTIONS, *FLEET), help="these tables"
    )
    parser.add_argument("--faults", nargs="*", default=[], help="these faults, see docs/demo.md")
    results = ROOT / "bench" / "results" / f"{datetime.now(UTC):%Y-%m-%d}-chaos.md"
    parser.add_argument("--out", type=Path, nargs="?", const=results, help=f"also to a file ({results.name})")
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
