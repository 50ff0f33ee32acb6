"""P16: a hundred answers are asked for at once and ten can be paid; then a process is killed in the middle of them."""

import asyncio
import signal
import time
from collections import Counter
from contextlib import AsyncExitStack
from decimal import Decimal
from typing import Any

from bench.report import row
from tests.chaos.fleet.bed import NAMES, Fleet, Size, fleet
from tests.chaos.fleet.viewer import Viewer
from tests.chaos.report import Section

AT_ONCE, PAID = 100, 10
MOST_SECONDS = 10.0
"""After a kill, until what the dead had set aside is back."""
PATIENCE_SECONDS = 90.0
KNOWN_SECONDS = 1.5
"""After which every process knows of a change."""
LOOK_SECONDS = 0.1
HEADS = (
    "on",
    "asked",
    "ran",
    "refused",
    "most taken, share of the budget",
    "back after a kill, s",
    "used is the ledger's",
    "wrong",
)

MAKE_QUOTA = """
from decimal import Decimal
from django.contrib.auth.models import Group
from chat.models import LanguageModel, Price, Quota, User
group, _ = Group.objects.get_or_create(name="all of them")
group.user_set.set(User.objects.all())
model = LanguageModel.objects.get(name="{model}")
LanguageModel.objects.filter(pk=model.pk).update(max_output_tokens=1000)
if not model.prices.exists():
    per_million = dict(input=Decimal(2), output=Decimal(8), currency="USD")
    Price.objects.create(model=model, valid_from="2020-01-01T00:00Z", **per_million)
Quota.objects.update_or_create(
    name="P16", defaults=dict(binds="group", group=group, money_per_day=Decimal("{limit}"), currency="USD")
)
"""
USE = "SELECT used, assumed, reserved FROM chat_quotause"
HELD = "SELECT count(*) FROM chat_reservation WHERE state = 'held' AND epoch = 1"
LEDGER = """
SELECT CAST(SUM(ROUND(COALESCE(cost, 0) * 1000000000)) AS bigint) FROM chat_modelcall WHERE outcome <> 'running'
"""
BILLIONTH = Decimal(10) ** -9


async def measure() -> Section:
    section = Section(f"P16: {AT_ONCE} answers at once, a budget for {PAID}, then kill -9", HEADS)
    wrong: list[str] = []
    for name, size in (
        ("PostgreSQL, two processes", Size(people=len(NAMES))),
        ("SQLite, one process", Size(webs=1, people=len(NAMES), servers=("daphne",))),
    ):
        with fleet(size) as bed:
            line, said = await Race(bed).run(name)
        section.add(line, failed=said)
        wrong += [f"{name}: {words}" for words in said]
    section.complain(wrong)
    return section


class Race:
    def __init__(self, bed: Fleet) -> None:
        self.bed = bed
        self.model = bed.model(400, 40)
        self.limit = 0
        self.most = 0

    async def run(self, name: str) -> tuple[str, list[str]]:
        await self._set(Decimal(1000))
        async with AsyncExitStack() as stack:
            doors = range(len(self.bed.sites))
            tabs = [
                await stack.enter_async_context(self.bed.viewer(person, door, hurry=True))
                for person in range(len(NAMES))
                for door in doors
            ]
            each = await self._cost_of_one(tabs[0])
            await self._set((self._taken() + PAID * each) * BILLIONTH)
            looking = asyncio.create_task(self._look_for_ever())
            replies = await asyncio.gather(
                *(tabs[number % len(tabs)].try_to_start(self.model) for number in range(AT_ONCE))
            )
            started = [reply["run"] for reply in replies if reply["ok"]]
            back = await self._kill()
            await self._until_all_have_ended()
            looking.cancel()
        return self._judged(name, replies, started, back)

    async def _set(self, limit: Decimal) -> None:
        limit = limit.quantize(Decimal("0.0001"))  # as exact as a quota is
        self.limit = int(limit / BILLIONTH)
        script = MAKE_QUOTA.format(model=self.model.split("/")[1], limit=limit)
        await asyncio.to_thread(self.bed.sites[0].manage, "shell", "-v0", "-c", script)
        await asyncio.sleep(KNOWN_SECONDS)

    async def _cost_of_one(self, tab: Viewer) -> int:
        """What is set aside for one, in billionths; when it has ended, the way is free."""
        reply = await tab.try_to_start(self.model)
        assert reply["ok"], reply
        [(cost,)] = self.bed.rows("SELECT cost FROM chat_reservation")
        await self._until_all_have_ended()
        return int(Decimal(str(cost)).quantize(BILLIONTH) / BILLIONTH)

    def _taken(self) -> int:
        return sum(sum(row) for row in self.bed.rows(USE))

    async def _look_for_ever(self) -> None:
        while True:
            self.most = max(self.most, await asyncio.to_thread(self._taken))
            await asyncio.sleep(LOOK_SECONDS)

    async def _kill(self) -> float:
        """Seconds until nothing of what the dead had set aside is held."""
        await asyncio.sleep(2)
        victim = self.bed.sites[-1]
        mine = HELD if len(self.bed.sites) == 1 else f"{HELD} AND run IN ({self._runs_of_the_last()})"
        at = time.monotonic()
        await asyncio.to_thread(victim.stop, signal.SIGKILL)
        if len(self.bed.sites) == 1:
            await asyncio.to_thread(victim.start)
        while self.bed.rows(mine)[0][0]:
            if time.monotonic() - at > PATIENCE_SECONDS:
                break
            await asyncio.sleep(LOOK_SECONDS)
        return time.monotonic() - at

    def _runs_of_the_last(self) -> str:
        """Those that the node which was registered last makes now."""
        newest = "(SELECT id FROM chat_node WHERE kind = 'web' ORDER BY started_at DESC LIMIT 1)"
        keys = [key for (key,) in self.bed.rows(f"SELECT id FROM chat_run WHERE node_id = {newest}")]  # noqa: S608
        return ", ".join(f"'{key}'" for key in keys) or "NULL"

    async def _until_all_have_ended(self) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while self.bed.rows("SELECT count(*) FROM chat_run WHERE finished_at IS NULL")[0][0]:
                await asyncio.sleep(LOOK_SECONDS)

    def _judged(
        self, name: str, replies: list[dict[str, Any]], started: list[str], back: float
    ) -> tuple[str, list[str]]:
        codes = Counter(reply["error"]["code"] for reply in replies if not reply["ok"])
        words = {reply["error"]["message"] for reply in replies if not reply["ok"]}
        [(used, assumed, reserved)] = self.bed.rows(USE)
        ledger = int(self.bed.rows(LEDGER)[0][0])
        wrong = []
        if len(started) != PAID:
            wrong.append(f"{len(started)} ran")
        if codes != {"budget_exceeded": AT_ONCE - PAID} or not all("USD a day" in said for said in words):
            wrong.append(f"refused with {dict(codes)}: {words}")
        if self.most > self.limit:
            wrong.append(f"{self.most} of {self.limit} billionths were taken")
        if back > MOST_SECONDS:
            wrong.append(f"back after {back:.1f} s")
        if used != ledger or reserved:
            wrong.append(f"used {used}, the ledger {ledger}, reserved {reserved}, assumed {assumed}")
        share = f"{100 * self.most / self.limit:.1f} %"
        cells = (
            AT_ONCE,
            len(started),
            sum(codes.values()),
            share,
            f"{back:.1f}",
            "yes" if used == ledger else "no",
        )
        return row(name, *cells, len(wrong)), wrong
