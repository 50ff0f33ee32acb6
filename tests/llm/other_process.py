"""Another process with the same Redis and the same provider: does what it is told, a line at a time.

Arguments: base URL, Redis URL, prefix, the limits as JSON. `call` makes one call and prints its outcome; `tries N`
makes so many, ten at a time, and prints how many reached the provider.
"""

import asyncio
import os
import sys

import msgspec
import structlog

from chat.conf import CallLimits
from chat.exceptions import ProviderOverloaded
from chat.llm.safeguards import Safeguards
from chat.resilience.backends.redis import RedisBackend, connect
from tests.llm.guarding import Hearing, guard_for, outcome, safeguards_over

AT_ONCE = 10


class Other:
    def __init__(self, safeguards: Safeguards, base_url: str, limits: CallLimits) -> None:
        self.safeguards, self.base_url, self.limits = safeguards, base_url, limits

    async def call(self, hearing: Hearing) -> str:
        error = await outcome(guard_for(self.safeguards, self.base_url, self.limits), hearing)
        return "completed" if error is None else error.code

    async def tries(self, count: int) -> int:
        reached = 0

        async def caller() -> None:
            nonlocal reached
            for _ in range(count // AT_ONCE):
                hearing = Hearing()
                code = await self.call(hearing)
                assert code in ("completed", ProviderOverloaded.code), code
                reached += hearing.attempts
                if not hearing.attempts:
                    await asyncio.sleep(0.005)

        await asyncio.gather(*(caller() for _ in range(AT_ONCE)))
        return reached


async def main(base_url: str, redis_url: str, prefix: str, limits: str) -> None:
    # What it says on standard output is its answers alone.
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    client = connect(redis_url)
    backend = RedisBackend(client, prefix=prefix)
    async with safeguards_over(backend, name=str(os.getpid())) as safeguards:
        other = Other(safeguards, base_url, msgspec.json.decode(limits, type=CallLimits))
        say("ready")
        while line := (await asyncio.to_thread(sys.stdin.readline)).strip():
            say(
                str(
                    await other.tries(int(line[6:]))
                    if line.startswith("tries ")
                    else await other.call(Hearing())
                )
            )
    await client.aclose()


def say(what: str) -> None:
    sys.stdout.write(what + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
