"""python -m tests.chaos.prober BASE_URL PROVIDER PROBES SECONDS: one of the processes that ask a half-open breaker.

`PROVIDER` is the provider's key, the same in all processes; REDIS_URL is what they share. No seconds: one run. Prints
how many runs were made and how many calls reached the provider.
"""

import asyncio
import json
import sys
import time
from uuid import UUID

from tests.chaos.bed import installed, made

CALLERS = 10


async def main(base_url: str, provider: UUID, probes: int, seconds: float) -> None:
    from tests.chaos.runs import Runs

    async with made(Elsewhere(base_url)) as bed:
        driver = Runs(bed)
        model = await driver.model(
            id=provider,
            attempts=1,
            breaker_failures=1,
            breaker_open_seconds=0.05,
            breaker_probes=probes,
            breaker_successes=30_000,
        )
        over = time.monotonic() + seconds
        runs = reached = 0
        while not runs or time.monotonic() < over:
            ended = await driver.many([model] * (CALLERS if seconds else 1), "hello", at_once=CALLERS)
            runs += len(ended)
            reached += sum(len(one.calls) for one in ended)
    sys.stdout.write(json.dumps({"runs": runs, "reached": reached}) + "\n")


class Elsewhere:
    """An upstream that somebody else counts at."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url

    async def stats(self) -> dict[str, int]:
        return {}


if __name__ == "__main__":
    with installed():
        asyncio.run(main(sys.argv[1], UUID(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])))
