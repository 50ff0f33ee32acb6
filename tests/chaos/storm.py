"""All faults and good answers mixed on one provider: what one run meets is never seen in another one's answer."""

import asyncio
import random
import re
from collections import Counter

from bench.report import row
from chat.demo.faults import FAULTS, Fault
from tests.chaos import promises
from tests.chaos.bed import Bed
from tests.chaos.failure import breaker_of
from tests.chaos.report import Section
from tests.chaos.runs import Ended, Runs

AT_ONCE = 40
SEED = 7
WELL = "hello"
HEADS = ("asked for", "runs", "whole", "errors", "end wrong", "text wrong", "bill wrong")
OURS = ("rate_limited",)
"""A line that was too long: silence makes the adaptive limit fall."""


async def measure(bed: Bed, runs: int) -> Section:
    section = Section(f"{runs} runs on one provider, half of them with a fault, in any order", HEADS)
    driver = Runs(bed)
    model = await driver.model()
    await bed.runtime.safeguards.breakers.force(breaker_of(model), "forced_closed")
    dice = random.Random(SEED)  # noqa: S311
    names = [name for name in FAULTS if name not in ("huge-line", "slow-head")]
    prompts = [WELL if number % 2 else f"fail:{dice.choice(names)}" for number in range(runs)]
    before = await bed.calls_seen()
    places = asyncio.Semaphore(AT_ONCE)

    async def one(prompt: str) -> Ended:
        async with places:
            return await driver.follow(model, prompt)

    ended = await asyncio.gather(*map(one, prompts))
    await driver.look_up(ended)
    for kind in (WELL, "fail:"):
        mine = [pair for pair in zip(ended, prompts, strict=True) if pair[1].startswith(kind)]
        _add(section, "a good answer" if kind == WELL else "a fault", mine)
    calls = await bed.calls_seen() - before
    attempts = [call for one in ended for call in one.calls]
    # Whose time was over before a byte had left.
    unsent = sum(call.http_status is None and call.outcome == "provider_timeout" for call in attempts)
    section.add(
        row("upstream calls, ledger rows", calls, len(attempts), *[""] * 4),
        failed=not calls <= len(attempts) <= calls + unsent,
    )
    decided, told = max(one.decided_seconds for one in ended), max(one.telling_seconds for one in ended)
    section.add(row("slowest decided, stored and told", f"{decided:.2f} s", f"+ {told:.2f} s", *[""] * 4))
    section.note(
        f"{AT_ONCE} runs at once; the breaker is forced closed, so that all of them are made. Silent attempts make the "
        "adaptive limit fall: who waits too long in line is told so (rate_limited), or has too little time left when "
        "the turn comes (provider_timeout, total)."
    )
    return section


def _add(section: Section, what: str, mine: list[tuple[Ended, str]]) -> None:
    said = Counter(one.code for one, _ in mine if one.code)
    wrong = [
        Counter(filter(None, (_ending(one, prompt) for one, prompt in mine))),
        Counter(filter(None, (promises.text(one, _fault(prompt)) for one, prompt in mine))),
        Counter(filter(None, (promises.bill(one, _fault(prompt)) for one, prompt in mine))),
    ]
    whole = sum(one.status == "completed" for one, _ in mine)
    told = [promises.ordered(one) or 0 for one in (said, *wrong)]
    section.add(row(what, len(mine), whole, *told), failed=any(wrong))


def _ending(one: Ended, prompt: str) -> str:
    """Once and in time, in the whole answer, the fault's own error or one of ours."""
    if (late := one.code == "provider_timeout" and one.error.get("phase") == "total") or one.code in OURS:
        return promises.one_end(one) if late or one.status == "failed" else f"{one.status}, {one.code}"
    return promises.ending(one, _fault(prompt))


def _fault(prompt: str) -> Fault | None:
    found = re.match("fail:(.*)", prompt)
    return FAULTS[found[1]] if found else None
