"""A provider that is down altogether: how often it is asked, and when it is left alone."""

from collections import Counter

from bench.report import row
from chat.models import LanguageModel
from tests.chaos import promises
from tests.chaos.bed import Bed
from tests.chaos.report import Section
from tests.chaos.runs import Runs

AT_ONCE = 20
MOST_CALLS_A_RUN = 1.1
FAILURES = ("500", "cut", "refuse")
HEADS = (
    "failure",
    "breaker",
    "runs",
    "upstream calls",
    "calls a run",
    "goal",
    "errors",
    "text wrong",
    "ledger rows",
)


async def measure(bed: Bed, runs: int) -> Section:
    section = Section(f"Total failure, {runs} runs on one provider", HEADS)
    for failure in FAILURES:
        for forced in (False, True):
            await _one_failure(bed, failure, runs, section, forced=forced)
    section.note(
        "Everything but the deadlines at its default: 3 attempts, 10 % of the last minute's calls but always 10, 5 "
        "failures open the breaker for 30 s. Forced closed by staff, the retry budget alone has to hold."
    )
    return section


async def _one_failure(bed: Bed, failure: str, runs: int, section: Section, *, forced: bool) -> None:
    driver = Runs(bed)
    model = await driver.model()
    if forced:
        await bed.runtime.safeguards.breakers.force(breaker_of(model), "forced_closed")
    before = await bed.calls_seen()
    ended = await driver.many([model] * runs, f"fail:{failure}", at_once=AT_ONCE)
    calls, rows = await bed.calls_seen() - before, sum(len(one.calls) for one in ended)
    wrong = sum(bool(promises.text(one, None)) for one in ended)
    said = Counter(one.code or one.status for one in ended)
    section.add(
        row(
            f"fail:{failure}",
            "forced closed" if forced else "as it is",
            runs,
            calls,
            f"{calls / runs:.3f}",
            f"≤ {MOST_CALLS_A_RUN}",
            promises.ordered(said),
            wrong,
            rows,
        ),
        # Ten retries are always allowed: a few runs may each have one.
        failed=calls > max(runs * MOST_CALLS_A_RUN, runs + 10) or wrong or rows != calls,
    )


def breaker_of(model: LanguageModel) -> str:
    return f"provider:{model.provider_id}"
