"""Runs of the whole engine against the demo upstream's faults, each under short deadlines."""

import asyncio
import itertools
import time
import uuid
from dataclasses import dataclass
from typing import Any

import msgspec

from chat.actions.runs import Started, StartRequest, start_runs
from chat.demo.faults import ANSWERED, Fault
from chat.demo.script import NOT_UTF8
from chat.exceptions import StorageUnavailable
from chat.models import LanguageModel, Message, Provider, User
from chat.wiring import Runtime

DELTAS = 50
MODEL = f"demo-n{DELTAS}-r0-d0"
WHOLE = "".join(f"w{index} " for index in range(DELTAS))
TOTAL_SECONDS = 4.0
SLACK_SECONDS = 3.0
"""What a busy machine may take on top of the deadline."""
SHORT_DEADLINES = {
    "first_token_seconds": 0.8,
    "first_token_reasoning_seconds": 0.8,
    "idle_seconds": 0.8,
    "total_seconds": TOTAL_SECONDS,
    "retry_base_seconds": 0.02,
    "longest_retry_after_seconds": 0.5,
}
_numbers = itertools.count()


@dataclass(frozen=True)
class Ended:
    """One run: how many times its end was told, and with what. `seconds` from its start to its end."""

    ends: int
    status: str
    code: str
    text: str
    seconds: float
    doubled: bool

    def wrong(self, fault: Fault) -> str:
        """What is not as promised; "" where all is."""
        if self.ends != 1:
            return f"ended {self.ends} times"
        if self.seconds > TOTAL_SECONDS + SLACK_SECONDS:
            return f"took {self.seconds:.1f} s"
        if self.doubled:
            return "what viewers saw is not what was stored"
        if self.status == "completed":
            return "" if _is_whole(self.text) else "completed, but not the whole answer"
        if self.status != "failed":
            return f"status {self.status}"
        # An open breaker says overloaded, whatever had opened it.
        expected = {fault.outcome, "provider_overloaded"}
        if fault.phase == "first_token" or fault.outcome == "provider_overloaded":
            # These let the adaptive limit fall, and then the line in front of it may be longer than the deadline.
            expected.add("rate_limited")
        if fault.outcome == ANSWERED or self.code not in expected:
            return f"ended in {self.code}, not in {fault.outcome}"
        return ""


class FaultyProviders:
    """Makes a provider a fault, so that no breaker or learned limit of one fault touches another."""

    def __init__(self, runtime: Runtime, user: User) -> None:
        self._runtime = runtime
        self._user = user

    @property
    def calls_made(self) -> int:
        return self._runtime._demo.stats.total

    async def model_of(self, **columns: Any) -> LanguageModel:
        def prepare() -> LanguageModel:
            provider = Provider.objects.create(
                name=f"faulty-{next(_numbers)}",
                base_url=self._runtime._demo.base_url,
                **{**SHORT_DEADLINES, **columns},
            )
            return LanguageModel.objects.create(provider=provider, name=MODEL)

        return await self._runtime.database(prepare)

    async def run(self, model: LanguageModel, fault: str) -> Ended:
        request = StartRequest(
            key=uuid.uuid4(),
            models=(model.full_name,),
            content=[{"type": "text", "text": f"fail:{fault}"}],
        )
        started = await self._started(request)
        began = time.monotonic()
        events = await self._events_of(started.run)
        seconds = time.monotonic() - began
        stored = await self._runtime.database(Message.objects.get, pk=started.runs[0].message)
        ends = [event for event in events if event["type"] == "run.finished"]
        return Ended(
            ends=len(ends),
            status=ends[-1]["status"] if ends else "",
            code=ends[-1].get("error", {}).get("code", "") if ends else "",
            text=stored.text,
            seconds=seconds,
            doubled=_seen(events) != stored.text,
        )

    async def _started(self, request: StartRequest) -> Started:
        """As a browser does: a database that is busy is asked again, under the same key."""
        while True:
            try:
                return await self._runtime.database(start_runs, self._user, request, self._runtime)
            except StorageUnavailable:
                await asyncio.sleep(0.2)

    async def _events_of(self, run: str) -> list[dict[str, Any]]:
        """Until the end and a moment longer, in which nothing may come any more; what has come where none does."""
        news = asyncio.Event()
        feed = self._runtime.log.follow(run, None, news.set)
        seen: list[dict[str, Any]] = []
        try:
            async with asyncio.timeout(TOTAL_SECONDS + 2 * SLACK_SECONDS):
                while True:
                    while made := feed.take(100):
                        seen += [msgspec.json.decode(one.frame)["event"] for one in made]
                    if seen and seen[-1]["type"] == "run.finished":
                        break
                    await news.wait()
                    news.clear()
        except TimeoutError:
            pass
        finally:
            feed.close()
        return seen


def _seen(events: list[dict[str, Any]]) -> str:
    """What a viewer of all events has before the eyes at the end."""
    text = ""
    for event in events:
        if event["type"] == "text.delta":
            text += event["text"]
        elif event["type"] == "step.reset":
            text = ""
        elif event["type"] == "run.snapshot":
            parts = [part for step in event["state"]["steps"] for part in step["parts"]]
            text = "".join(part["text"] for part in parts if part["type"] == "text")
    return text


def _is_whole(text: str) -> bool:
    said = NOT_UTF8 if isinstance(NOT_UTF8, str) else ""
    return (
        text == WHOLE
        or ("\ufffd" in text and text.startswith("w0 ") and text.endswith(f"w{DELTAS - 1} "))
        or (bool(said) and text.replace(said, "") == WHOLE)
    )
