"""Thirty faults, a hundred runs each: the whole answer or one typed error, in time, with its text and its bill."""

from collections import Counter
from collections.abc import Iterable, Sequence

from bench.report import row
from chat.demo.faults import FAULTS, Fault
from tests.chaos import promises
from tests.chaos.bed import Bed
from tests.chaos.report import Section
from tests.chaos.runs import TOTAL_SECONDS, Runs

AT_ONCE = 50
AT_ONCE_LARGE = 5
"""Of answers of 17 MB: what is measured is us, not the memory of this machine."""
HEADS = (
    *(
        "fault",
        "runs",
        "whole",
        "typed errors",
        "slowest / deadline",
        "stored and told",
        "hung",
        "calls a run",
    ),
    *("end wrong", "text wrong", "bill wrong", "upstream calls − ledger rows", "left open"),
)


async def measure(bed: Bed, runs: int, only: Sequence[str]) -> Section:
    """Each run has a provider of its own: all of it at the defaults but for the deadlines, and no fault hides behind
    an open breaker."""
    section = Section(f"{len(FAULTS)} faults, {runs} runs each", HEADS)
    for name in only or FAULTS:
        await _one_fault(bed, FAULTS[name], runs, section)
    section.note(
        f"Deadlines are short (first token and idle 1 s, all {TOTAL_SECONDS:.0f} s), all else is at its default; a run "
        "has a provider of its own. Slowest: until the engine knew the end, at most "
        f"{promises.LATE_SECONDS} s after the deadline. It is stored before it is told, within "
        f"{promises.TELLING_SECONDS:.0f} s: so long SQLite is waited for. Text: a whole answer is equal to the byte, "
        "an error keeps what the longest attempt had shown, viewers saw what was stored. Bill: a ledger row an "
        "attempt, its usage as far as it can be known, its cost, and the run their sum."
    )
    return section


async def _one_fault(bed: Bed, fault: Fault, runs: int, section: Section) -> None:
    driver = Runs(bed)
    before = await bed.calls_seen()
    models = await driver.models(runs)
    at_once = AT_ONCE_LARGE if fault.name == "huge-line" else AT_ONCE
    ended = await driver.many(models, f"fail:{fault.name}", at_once=at_once)
    stats = await bed.upstream.stats()
    seen, rows = int(stats["total"]) - before, sum(len(one.calls) for one in ended)
    codes = Counter(one.code for one in ended if one.status == "failed")
    wrong = {name: _wrong(check(one, fault) for one in ended) for name, check in CHECKS.items()}
    section.add(
        row(
            fault.name,
            runs,
            sum(one.status == "completed" for one in ended),
            promises.ordered(codes) or 0,
            f"{max(one.decided_seconds for one in ended):.2f} / {TOTAL_SECONDS:.0f} s",
            f"+ {max(one.telling_seconds for one in ended):.2f} s",
            sum(one.hung for one in ended),
            f"{seen / runs:.2f}",
            *(wrong.values()),
            seen - rows,
            stats["open"],
        ),
        failed=any(wrong.values()) or seen != rows or stats["open"] or any(one.hung for one in ended),
    )


CHECKS = {"end": promises.ending, "text": promises.text, "bill": promises.bill}


def _wrong(said: Iterable[str]) -> str | int:
    """0, or what is wrong and how often."""
    return promises.ordered(Counter(filter(None, said))) or 0
