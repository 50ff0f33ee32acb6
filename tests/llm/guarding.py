"""A guard over a fake provider, built as `wiring` builds it."""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from chat.conf import CallLimits, Deadlines
from chat.exceptions import ChatError
from chat.llm.client import Endpoint, ModelClient
from chat.llm.guard import CallTarget, Guard
from chat.llm.messages import ChatMessage, ModelRequest, TextPart
from chat.llm.safeguards import Safeguards
from chat.resilience.backends.base import Backend
from chat.resilience.deadline import Clockwork
from tests.llm.wire import dialect

REQUEST = ModelRequest(model="m", messages=(ChatMessage("user", (TextPart("hello"),)),))
BUSY = {"error": {"message": "slow down", "code": "rate_limit_exceeded"}}


class Hearing:
    """A listener that remembers."""

    def __init__(self) -> None:
        self.waits: list[float] = []
        self.places: list[int] = []
        self.attempts = 0

    def attempt_began(self, facts: Any, dropped: Sequence[str]) -> Any:
        self.attempts += 1
        return lambda deltas: None

    def attempt_ended(self, error: Any) -> None:
        pass

    def retrying(self, wait_seconds: float, error: Any) -> None:
        self.waits.append(wait_seconds)

    def waiting(self, place: int) -> None:
        self.places.append(place)


@asynccontextmanager
async def safeguards_over(
    backend: Backend,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], Any] = asyncio.sleep,
    name: str = "test",
):
    """`uniform` gives the longest wait."""
    async with ModelClient() as client:
        made = Safeguards(
            backend,
            client=client,
            clockwork=Clockwork(clock),
            clock=clock,
            wall_clock=time.time,
            sleep=sleep,
            uniform=lambda _least, most: most,
            name=name,
        )
        yield made
        await made.aclose()


def guard_for(
    safeguards: Safeguards,
    base_url: str,
    limits: CallLimits,
    *,
    user: str = "u",
    model: str = "m",
    speaks: str = "openai_chat",
    **deadlines: float,
) -> Guard:
    target = CallTarget(
        user=user,
        provider="p",
        model=model,
        dialect=dialect(speaks),
        endpoint=Endpoint(base_url),
        api_key="key",
        deadlines=Deadlines(**deadlines),
        limits=limits,
    )
    return Guard(safeguards, target)


async def outcome(guard: Guard, hearing: Hearing | None = None) -> ChatError | None:
    """What a call ended in; None for a whole answer."""
    try:
        await guard.run(REQUEST, hearing or Hearing())
    except ChatError as error:
        return error
    return None
