"""A process of its own that tries to get through a half-open breaker as often as it can; see the tests.

Arguments: the Redis URL, the prefix, the number of probes, the seconds to go on. Prints how many probes it made and
the most it saw out at once, itself and the other process together.
"""

import asyncio
import os
import sys
import time

from chat.resilience.backends.base import BreakerRule
from chat.resilience.backends.redis import RedisBackend, connect
from chat.resilience.circuit_breaker import CircuitBreakers, CircuitOpen
from chat.resilience.concurrency import LeaseKeeper

KEY = "provider:1"
CALLERS = 10


async def main(url: str, prefix: str, probes: int, seconds: float) -> None:
    client = connect(url)
    backend = RedisBackend(client, prefix=prefix)
    keeper = LeaseKeeper(backend, name=str(os.getpid()), sleep=asyncio.sleep)
    breakers = CircuitBreakers(backend, keeper)
    rule = BreakerRule(probes=probes)
    made = most = 0
    end = time.monotonic() + seconds

    async def caller() -> None:
        nonlocal made, most
        while time.monotonic() < end:
            try:
                async with breakers.passage(KEY, rule) as passage:
                    assert passage.probe
                    most = max(most, int(await client.incr(f"{prefix}out")))
                    made += 1
                    await asyncio.sleep(0.01)
                    await client.decr(f"{prefix}out")
            except CircuitOpen:
                await asyncio.sleep(0.002)

    await asyncio.gather(*(caller() for _ in range(CALLERS)))
    await keeper.aclose()
    await client.aclose()
    sys.stdout.write(f"{made} {most}\n")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])))
