"""Runs of the whole engine against an upstream that fails, each under short deadlines, and what is known of them."""

import asyncio
import itertools
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec

from chat.actions.runs import Started, StartRequest, start_runs
from chat.exceptions import StorageUnavailable
from chat.models import LanguageModel, Message, ModelCall, Price, Provider, Run, User
from tests.chaos.bed import Bed

DELTAS = 50
MODEL = f"demo-n{DELTAS}-r0-d0"
INPUT_PRICE, OUTPUT_PRICE = Decimal(3), Decimal(15)
TOTAL_SECONDS = 6.0
SHORT_DEADLINES = {
    "first_token_seconds": 1.0,
    "first_token_reasoning_seconds": 1.0,
    "idle_seconds": 1.0,
    "total_seconds": TOTAL_SECONDS,
    "retry_base_seconds": 0.05,
    "longest_retry_after_seconds": 3.0,
}
"""A twentieth to a hundredth of the defaults; what counts is the same."""
PATIENCE_SECONDS = 20.0
"""Who has not ended so long after the deadline hangs."""
_numbers = itertools.count()


@dataclass
class Ended:
    """One run: the events a viewer saw, what was stored, and what the ledger says. `seconds` from start to end."""

    run: str
    events: list[dict[str, Any]]
    seconds: float
    text: str = ""
    row: Run = field(default_factory=Run)
    calls: list[ModelCall] = field(default_factory=list)

    @property
    def last(self) -> dict[str, Any]:
        return self.events[-1] if self.events else {}

    @property
    def hung(self) -> bool:
        return self.last.get("type") != "run.finished"

    @property
    def status(self) -> str:
        return str(self.last.get("status", ""))

    @property
    def error(self) -> dict[str, Any]:
        return dict(self.last.get("error") or {})

    @property
    def code(self) -> str:
        return str(self.error.get("code", ""))

    @property
    def decided_seconds(self) -> float:
        """Until the engine knew how it ends."""
        return (self.row.duration_ms or 0) / 1000

    @property
    def telling_seconds(self) -> float:
        """From then until it was stored and told."""
        return max(0.0, self.seconds - self.decided_seconds)

    def count(self, kind: str) -> int:
        return sum(event["type"] == kind for event in self.events)

    def attempts_shown(self) -> list[str]:
        """The text of each attempt as a viewer saw it grow."""
        texts = [""]
        for event in self.events:
            if event["type"] == "text.delta":
                texts[-1] += event["text"]
            elif event["type"] == "run.retrying":
                texts.append("")
        return texts

    def text_at_the_end(self) -> str:
        """What a viewer of all events has before the eyes."""
        text = ""
        for event in self.events:
            if event["type"] == "text.delta":
                text += event["text"]
            elif event["type"] == "step.reset":
                text = ""
            elif event["type"] == "run.snapshot":
                parts = [part for step in event["state"]["steps"] for part in step["parts"]]
                text = "".join(part["text"] for part in parts if part["type"] == "text")
        return text


class Runs:
    """Starts runs as the socket's commands do, and follows each to its end."""

    def __init__(self, bed: Bed) -> None:
        self._bed = bed
        self._runtime = bed.runtime
        self._users = itertools.cycle(bed.users)

    async def models(self, many: int = 1, **columns: Any) -> list[LanguageModel]:
        """Each of a provider of its own, so that no breaker or learned limit of one touches another."""

        def prepare() -> list[LanguageModel]:
            settings = {**SHORT_DEADLINES, **columns}
            base_url = self._bed.upstream.base_url
            providers = [
                Provider(name=f"faulty-{next(_numbers)}", base_url=base_url, **settings) for _ in range(many)
            ]
            Provider.objects.bulk_create(providers)
            found = [LanguageModel(provider=provider, name=MODEL) for provider in providers]
            LanguageModel.objects.bulk_create(found)
            prices = [Price(model=model, input=INPUT_PRICE, output=OUTPUT_PRICE) for model in found]
            Price.objects.bulk_create(prices)
            return found

        return await self._runtime.database(prepare)

    async def model(self, **columns: Any) -> LanguageModel:
        return (await self.models(**columns))[0]

    async def many(self, models: Sequence[LanguageModel], prompt: str, *, at_once: int) -> list[Ended]:
        """One run for each of `models`, which may name one often; each ended and looked up in the database."""
        places = asyncio.Semaphore(at_once)

        async def one(model: LanguageModel) -> Ended:
            async with places:
                return await self.follow(model, prompt)

        ended = await asyncio.gather(*(one(model) for model in models))
        await self.look_up(ended)
        return list(ended)

    async def run(self, model: LanguageModel, prompt: str) -> Ended:
        return (await self.many([model], prompt, at_once=1))[0]

    async def follow(self, model: LanguageModel, prompt: str) -> Ended:
        """As `run`, without what the database has of it."""
        content = [{"type": "text", "text": prompt}]
        request = StartRequest(key=uuid.uuid4(), models=(model.full_name,), content=content)
        started = await self._started(next(self._users), request)
        began = time.monotonic()
        events = await self._events_of(started.run)
        return Ended(started.run, events, time.monotonic() - began)

    async def look_up(self, ended: Sequence[Ended]) -> None:
        """Fills in what is stored of them."""
        for start in range(0, len(ended), 200):
            await self._runtime.database(_look_up, ended[start : start + 200])

    async def _started(self, user: User, request: StartRequest) -> Started:
        """As a browser does: a database that is busy is asked again, under the same key."""
        while True:
            try:
                return await self._runtime.database(start_runs, user, request, self._runtime)
            except StorageUnavailable:
                await asyncio.sleep(0.2)

    async def _events_of(self, run: str) -> list[dict[str, Any]]:
        """All of them; what has come where no end comes."""
        news = asyncio.Event()
        feed = self._runtime.log.follow(run, None, news.set)
        seen: list[dict[str, Any]] = []
        try:
            async with asyncio.timeout(TOTAL_SECONDS + PATIENCE_SECONDS):
                while not feed.done:
                    while made := feed.take(100):
                        seen += [msgspec.json.decode(one.frame)["event"] for one in made]
                    if not feed.done:
                        await news.wait()
                        news.clear()
        except TimeoutError:
            pass
        finally:
            feed.close()
        return seen


def _look_up(ended: Sequence[Ended]) -> None:
    keys = [UUID(one.run) for one in ended]
    rows = {str(row.pk): row for row in Run.objects.filter(pk__in=keys)}
    texts = {message.pk: message.text for message in Message.objects.filter(runs__in=keys)}
    for one in ended:
        one.row = rows[one.run]
        one.text = texts[one.row.message_id]
        one.calls = []
    by_run = {one.run: one for one in ended}
    for call in ModelCall.objects.filter(run__in=keys).order_by("attempt"):
        by_run[str(call.run_id)].calls.append(call)
