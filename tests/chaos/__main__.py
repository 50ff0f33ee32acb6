"""`make chaos`: what the promises about providers are worth, measured over the whole engine; tables, also in a file.

python -m tests.chaos [--runs 100] [--failures 1000] [--only faults failure …] [--faults NAME …] [--out FILE]
"""

import argparse
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

from bench.report import machine
from tests.chaos.bed import ROOT, Bed, run_on_bed
from tests.chaos.report import Section, say

SECTIONS = ("faults", "storm", "failure", "breaker", "probes", "line")


def main() -> int:
    options = read_options()
    head = f"# Chaos\n\n{machine()}"
    say(head)
    sections: list[Section] = []

    async def measure(bed: Bed) -> int:
        for name in options.only or SECTIONS:
            section = await made_by(name, options)(bed)
            sections.append(section)
        return sum(section.failed for section in sections)

    failed = run_on_bed(measure)
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


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos")
    parser.add_argument("--runs", type=int, default=100, help="of each fault (default: %(default)s)")
    parser.add_argument(
        "--failures", type=int, default=1000, help="at total failure, and mixed (default: %(default)s)"
    )
    parser.add_argument("--gigabytes", type=float, default=1.0, help="of one line (default: %(default)s)")
    parser.add_argument("--only", nargs="*", choices=SECTIONS, help="these tables")
    parser.add_argument("--faults", nargs="*", default=[], help="these faults, see docs/demo.md")
    results = ROOT / "bench" / "results" / f"{datetime.now(UTC):%Y-%m-%d}-chaos.md"
    parser.add_argument("--out", type=Path, nargs="?", const=results, help=f"also to a file ({results.name})")
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
