"""Which backend is meant: one process with all in memory, or many that share a Redis."""

from collections.abc import Awaitable, Callable
from uuid import UUID

from channels.layers import get_channel_layer
from django.conf import settings

from chat.conf import LogLimits
from chat.engine.broadcast import ChannelLayer
from chat.events.backends.base import EventLog
from chat.events.backends.memory import MemoryEventLog
from chat.resilience.backends.base import Backend
from chat.resilience.backends.fallback import FallbackBackend
from chat.resilience.backends.memory import MemoryBackend


def event_log(
    redis_url: str, node: UUID, clock: Callable[[], float], *, stale: Callable[[str, int], None]
) -> EventLog:
    """The log of this process alone, or one that all processes read."""
    limits = LogLimits(keep_seconds=settings.EVENT_LOG_SECONDS, run_bytes=settings.EVENT_LOG_BYTES)
    local = MemoryEventLog(limits, clock)
    if not redis_url:
        return local
    # Only where it is configured: importing it takes a tenth of a second.
    from chat.events.backends.redis import RedisEventLog

    return RedisEventLog(redis_url, local, name=node.hex, clock=clock, stale=stale)


def limits_backend(
    redis_url: str, clock: Callable[[], float]
) -> tuple[Backend, Callable[[], Awaitable[object]]]:
    """What breakers, buckets and places are kept in, and how to close it: this process's memory, or a Redis that
    all processes share."""
    near = MemoryBackend(clock)
    if not redis_url:
        return near, _nothing_to_close
    # Only where it is wanted: importing it costs memory and a tenth of a second.
    from chat.resilience.backends.redis import RedisBackend, connect

    client = connect(redis_url)
    backend = FallbackBackend(RedisBackend(client), near, clock=clock)

    async def close() -> None:
        await backend.aclose()
        await client.aclose()

    return backend, close


async def _nothing_to_close() -> None:
    pass


def channel_layer(redis_url: str) -> ChannelLayer | None:
    """None: this process is the only one, and tells nobody but itself."""
    layer: ChannelLayer | None = get_channel_layer() if redis_url else None
    return layer
