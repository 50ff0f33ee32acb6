"""python -m tests.chaos.line_reader BASE_URL DIALECT: one guarded call in a process of its own, and what it took.

Prints a JSON object: the error's code and detail, how many attempts, seconds, and by how many MB memory rose above what
the process had after a small answer.
"""

import asyncio
import json
import random
import resource
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from chat.conf import Deadlines
from chat.exceptions import ChatError, ProviderError
from chat.llm.attempt import CallFacts, Tell
from chat.llm.client import Endpoint, ModelClient
from chat.llm.dialects.registry import DIALECTS
from chat.llm.guard import CallTarget, Guard
from chat.llm.messages import ChatMessage, ModelRequest, TextPart
from chat.llm.safeguards import Safeguards
from chat.resilience.backends.memory import MemoryBackend
from chat.resilience.deadline import Clockwork

MB = 1_000_000
STATM = Path("/proc/self/statm")
PEAK_UNIT = 1 if sys.platform == "darwin" else 1024


class Silent:
    """A `Listener` that only counts attempts."""

    def __init__(self) -> None:
        self.attempts = 0

    def attempt_began(self, facts: CallFacts, dropped: Sequence[str]) -> Tell:
        self.attempts += 1
        return lambda deltas: None

    def attempt_ended(self, error: ProviderError | None) -> None:
        pass

    def retrying(self, wait_seconds: float, error: ProviderError) -> None:
        pass

    def waiting(self, place: int) -> None:
        pass


class Memory:
    """The most this process has had. Looked at all the time by a thread where the system tells it, else by its peak."""

    def __init__(self) -> None:
        self.before = self.most = _now_bytes()
        self._peak_before = _peak_bytes()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._over.wait(0.002):
            self.most = max(self.most, _now_bytes())

    def grown_mb(self) -> float:
        self._over.set()
        self._thread.join()
        peak = _peak_bytes()
        most = max(self.most, peak if peak > self._peak_before else 0)
        return (most - self.before) / MB


def _now_bytes() -> int:
    if not STATM.exists():
        return _peak_bytes()
    return int(STATM.read_text().split()[1]) * resource.getpagesize()


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * PEAK_UNIT


async def main(base_url: str, kind: str, dialect: str) -> None:
    clock = time.monotonic
    async with ModelClient() as client:
        safeguards = Safeguards(
            MemoryBackend(clock),
            client=client,
            clockwork=Clockwork(clock),
            clock=clock,
            wall_clock=time.time,
            sleep=asyncio.sleep,
            uniform=random.uniform,
            name="line",
        )

        async def ask(path: str) -> tuple[ChatError | None, int]:
            listener = Silent()
            target = CallTarget(
                user="u",
                provider=path,
                model="m",
                dialect=DIALECTS[dialect],
                endpoint=Endpoint(f"{base_url}/{path}"),
                api_key="",
                deadlines=Deadlines(),
            )
            request = ModelRequest(model="m", messages=(ChatMessage("user", (TextPart("hi"),)),))
            try:
                await Guard(safeguards, target).run(request, listener)
            except ChatError as error:
                return error, listener.attempts
            return None, listener.attempts

        for _ in range(3):
            await ask("well")
        memory, began = Memory(), clock()
        error, attempts = await ask(kind)
        seconds, grown_mb = clock() - began, memory.grown_mb()
        await safeguards.aclose()
    facts = {
        "code": error.code if error else "answered",
        "detail": error.detail if error else "",
        "attempts": attempts,
        "seconds": seconds,
        "grown_mb": grown_mb,
    }
    sys.stdout.write(json.dumps(facts) + "\n")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:4]))
