"""The backend of many processes. Every step is one script and one trip, so no two processes can come between.

Not for Redis Cluster: `take` touches several keys at once.
"""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, cast

from redis import Redis as SyncRedis
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from chat.resilience.backends import redis_scripts as scripts
from chat.resilience.backends.base import (
    LEARN_AGAIN_SECONDS,
    MOST_KEPT,
    MOST_LISTED,
    PROBE_AGAIN_SECONDS,
    Admission,
    BackendUnavailable,
    BreakerRule,
    BreakerView,
    Bucket,
    BucketView,
    Forced,
    Learned,
    Outcome,
    State,
    probe_key,
)

PATIENCE_SECONDS: Final = 0.5
"""For one trip. A limit that is waited for longer than this costs more than it guards."""

CONNECTIONS: Final = 8
"""A trip takes a fraction of a millisecond: more lines to Redis only cost the time to open them (docs/adr/0007)."""
QUEUE_SECONDS: Final = 1.0
"""For a free line, when several hundred calls begin at once."""

_SCRIPTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        name: text
        for name, text in vars(scripts).items()
        if name.isupper() and not name.startswith("_") and isinstance(text, str)
    }
)


def connect(url: str) -> Redis:
    """A client that gives up soon: whoever waits for it is a person. A line that went stale is tried once more.

    Raises:
        ValueError: the URL cannot be read. Nothing is connected before the first trip.
    """
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=CONNECTIONS,
        timeout=QUEUE_SECONDS,
        socket_timeout=PATIENCE_SECONDS,
        socket_connect_timeout=PATIENCE_SECONDS,
        retry=Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,)),
    )
    return Redis.from_pool(pool)


def answers(url: str) -> bool:
    """Whether there is a Redis at this URL, asked over a line of its own. For threads."""
    try:
        with SyncRedis.from_url(
            url, socket_timeout=PATIENCE_SECONDS, socket_connect_timeout=PATIENCE_SECONDS
        ) as client:
            return bool(client.ping())
    except (RedisError, OSError):
        return False


class RedisBackend:
    """Fulfils `Backend`. The client is the caller's, to close too. `clock` None: the server's own, for all alike."""

    shared = True
    alone = False

    def __init__(
        self, client: Redis, *, prefix: str = "resilience:", clock: Callable[[], float] | None = None
    ) -> None:
        self._client = client
        self._prefix = prefix
        self._clock = clock
        self._scripts = {name: client.register_script(text) for name, text in _SCRIPTS.items()}

    async def _run(self, script: str, keys: Sequence[str], *arguments: float | str) -> Any:
        names = [self._prefix + key for key in keys]
        now: float | str = "" if self._clock is None else repr(self._clock())
        try:
            return await self._scripts[script](names, [now, *arguments])
        except (RedisError, OSError) as error:
            raise BackendUnavailable(f"{type(error).__name__}: {error}") from error

    # --- circuit breakers -----------------------------------------------------------------------------

    async def breaker_admit(
        self, key: str, rule: BreakerRule, *, holder: str, lease_seconds: float
    ) -> Admission:
        granted, state, generation, probe, later = await self._run(
            "ADMIT", _breaker_keys(key), rule.probes, holder, lease_seconds
        )
        wait = PROBE_AGAIN_SECONDS if later == b"later" else float(later) if later else None
        return Admission(bool(granted), _state(state), int(generation), bool(probe), wait)

    async def breaker_record(
        self, key: str, rule: BreakerRule, outcome: Outcome, *, generation: int, holder: str
    ) -> State:
        return _state(
            await self._run(
                "RECORD",
                _breaker_keys(key),
                outcome,
                generation,
                holder,
                rule.failures,
                rule.open_seconds,
                rule.successes,
                max(scripts.KEEP_SECONDS, int(2 * rule.open_seconds)),
                f"{self._prefix}breaker:",
                key,
                MOST_KEPT,
            )
        )

    async def breaker_force(self, key: str, state: Forced | None) -> None:
        start = f"{self._prefix}breaker:"
        await self._run(
            "FORCE", _breaker_keys(key), state or "closed", scripts.KEEP_SECONDS, start, key, MOST_KEPT
        )

    async def breakers(self) -> dict[str, BreakerView]:
        starts = f"{self._prefix}breaker:", f"{self._prefix}places:{probe_key('')}"
        found = await self._run("BREAKERS", [_BREAKERS], *starts, MOST_LISTED)
        return {
            name.decode(): BreakerView(_state(state), failures, successes, probes, float(rest))
            for name, state, failures, successes, probes, rest in found
        }

    # --- token buckets --------------------------------------------------------------------------------

    async def take(self, buckets: Sequence[Bucket]) -> float:
        arguments = [figure for bucket in buckets for figure in (*_given(bucket), bucket.amount)]
        keys = [f"bucket:{bucket.key}" for bucket in buckets]
        return float(await self._run("TAKE", keys, *arguments, LEARN_AGAIN_SECONDS))

    async def learn(self, limits: Sequence[Learned]) -> None:
        arguments = [
            figure
            for learned in limits
            for figure in (
                learned.capacity,
                learned.per_second,
                "" if learned.remaining is None else learned.remaining,
            )
        ]
        await self._run("LEARN", [f"bucket:{learned.key}" for learned in limits], *arguments)

    async def hold_off(self, key: str, seconds: float) -> None:
        await self._run("HOLD_OFF", [f"bucket:{key}"], seconds)

    async def levels(self, buckets: Sequence[Bucket]) -> list[BucketView]:
        arguments = [figure for bucket in buckets for figure in _given(bucket)]
        found = await self._run("LEVELS", [f"bucket:{bucket.key}" for bucket in buckets], *arguments)
        views = []
        for held_off, learned, *known in found:
            tokens, capacity, per_second = map(float, known) if known else (None, None, None)
            views.append(BucketView(tokens, capacity, per_second, float(held_off), bool(known and learned)))
        return views

    # --- places ---------------------------------------------------------------------------------------

    async def acquire(self, key: str, most: int, *, holder: str, lease_seconds: float) -> bool:
        return bool(await self._run("ACQUIRE", [f"places:{key}", _PLACES], most, holder, lease_seconds, key))

    async def renew(self, held: Sequence[tuple[str, str]], *, lease_seconds: float) -> None:
        keys = [f"places:{key}" for key, _holder in held]
        holders, names = [holder for _key, holder in held], [key for key, _holder in held]
        await self._run("RENEW", [*keys, _PLACES], lease_seconds, *holders, *names)

    async def release(self, key: str, holder: str) -> None:
        await self._run("RELEASE", [f"places:{key}"], holder)

    async def in_use(self, key: str) -> int:
        return int(await self._run("IN_USE", [f"places:{key}"]))

    async def busiest(self, prefix: str, most: int) -> list[tuple[str, int]]:
        found = await self._run("BUSIEST", [_PLACES], f"{self._prefix}places:", prefix, most)
        return [(name.decode(), int(taken)) for name, taken in found]


_BREAKERS: Final = "index:breakers"
_PLACES: Final = "index:places"


def _breaker_keys(key: str) -> list[str]:
    return [f"breaker:{key}", f"places:{probe_key(key)}", _BREAKERS]


def _given(bucket: Bucket) -> tuple[float | str, float | str]:
    return ("", "") if bucket.per_second is None else (bucket.per_second, bucket.burst)


def _state(word: bytes | str) -> State:
    return cast(State, word.decode() if isinstance(word, bytes) else word)
