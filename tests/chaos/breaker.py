"""The breaker of one provider, by what reaches it: when it opens, what it lets through, when it closes."""

import asyncio
import time

from bench.report import row
from chat.models import LanguageModel
from tests.chaos.bed import Bed
from tests.chaos.report import Section
from tests.chaos.runs import Ended, Runs

OPEN_SECONDS = 4.0
CROWD = 20
WELL, ILL = "hello", "fail:500"
FIRST_TOKEN_SECONDS = 2.0
SLOW_MODEL = "demo-n2-r0-d2000"
"""A probe is out until its first token; a crowd comes meanwhile."""
HEADS = ("what", "expected", "measured")


async def measure(bed: Bed) -> Section:
    section = Section("The breaker of one provider", HEADS)
    for probes in (1, 3):
        await _story(Story(bed, probes), section)
    section.note(
        f"Over the whole engine, one call a run, open for {OPEN_SECONDS:.0f} s instead of 30; an answer's first token "
        f"comes after {FIRST_TOKEN_SECONDS:.0f} s. A probe's place is free with its first token."
    )
    return section


class Story:
    """Runs on one provider, and how many of them reached it."""

    def __init__(self, bed: Bed, probes: int) -> None:
        self._bed = bed
        self._driver = Runs(bed)
        self.probes = probes
        self.ended: list[Ended] = []
        self._model: LanguageModel | None = None

    async def reached(self, prompt: str, many: int, *, at_once: int = 1) -> int:
        """Calls upstream while so many runs were made."""
        if self._model is None:
            columns = {
                "attempts": 1,
                "breaker_open_seconds": OPEN_SECONDS,
                "breaker_probes": self.probes,
                "first_token_seconds": 30.0,
                "total_seconds": 60.0,
            }
            self._model = await self._driver.model(**columns)
            self._model.name = SLOW_MODEL
            await self._bed.runtime.database(self._model.save)
        before = await self._bed.calls_seen()
        self.ended = await self._driver.many([self._model] * many, prompt, at_once=at_once)
        return await self._bed.calls_seen() - before


async def _story(story: Story, section: Section) -> None:
    def told(what: str, expected: object, measured: object) -> None:
        section.add(row(f"{story.probes} at a time: {what}", expected, measured), failed=expected != measured)

    await story.reached(WELL, 1)
    told("4 failures, an answer, 4 failures reach it", 9, await _four_one_four(story))
    told(
        "the fifth in a row opens it: of 20 more reach it",
        0,
        (await story.reached(ILL, 1) - 1) or await _refused(story),
    )
    told("their error", "provider_overloaded", " ".join({one.code for one in story.ended}))
    told(
        "and when to come back",
        True,
        all(0 < one.error.get("retry_after_seconds", 0) <= OPEN_SECONDS for one in story.ended),
    )
    told("and how long that took", True, max(one.seconds for one in story.ended) < OPEN_SECONDS)
    await _rest()
    told("half-open: of 20 at once reach it", story.probes, await story.reached(WELL, CROWD, at_once=CROWD))
    for _ in range(3 - story.probes):
        await story.reached(WELL, 1)
    told("after 3 successes of 20 at once reach it", CROWD, await story.reached(WELL, CROWD, at_once=CROWD))
    told("5 failures open it again: of 10 reach it", 5, await story.reached(ILL, 10))
    await _rest()
    began = time.monotonic()
    told("half-open: a probe that fails opens it: of 10 reach it", 1, await story.reached(ILL, 10))
    while await story.reached(WELL, 1) == 0 and time.monotonic() - began < 4 * OPEN_SECONDS:
        await asyncio.sleep(0.02)
    waited = time.monotonic() - began
    told(
        "and half-open again after its time",
        True,
        OPEN_SECONDS < waited < OPEN_SECONDS + FIRST_TOKEN_SECONDS + 3,
    )


async def _four_one_four(story: Story) -> int:
    return await story.reached(ILL, 4) + await story.reached(WELL, 1) + await story.reached(ILL, 4)


async def _refused(story: Story) -> int:
    return await story.reached(WELL, CROWD, at_once=CROWD)


async def _rest() -> None:
    await asyncio.sleep(OPEN_SECONDS + 0.05)
