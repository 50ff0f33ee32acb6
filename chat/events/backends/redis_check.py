"""Is this Redis set up for what it is to keep? Looked at once, at the start."""

from typing import Final

from chat.events.backends.redis_wire import CommandFailed, RedisWire

OLDEST: Final = (6, 2)


async def what_to_set(wire: RedisWire) -> list[str]:
    """What its administrator should change, in full sentences. What we may not look at is taken for good.

    Raises:
        LogAway: it does not answer.
    """
    info = await _info(wire)
    policy = await _setting(wire, "maxmemory-policy") or info.get("maxmemory_policy", "")
    keeps_all = await _setting(wire, "appendonly") == "yes" or info.get("aof_enabled") == "1"
    save = await _setting(wire, "save")
    lines = []
    version = tuple(int(part) for part in info.get("redis_version", "").split(".")[:2] if part.isdigit())
    if version and version < OLDEST:
        lines.append(f"Redis {info['redis_version']} is too old: the event log needs 6.2 or later, or Valkey")
    if policy not in ("", "noeviction"):
        lines.append(
            f"Redis may throw away events of running answers (maxmemory-policy is {policy}): "
            "set `maxmemory-policy noeviction`"
        )
    if not keeps_all and save == "":
        lines.append(
            "Redis forgets everything when it restarts, so that resuming an answer then shows it whole instead of "
            "event by event: set `appendonly yes`, or `save 60 1000`"
        )
    return lines


async def _info(wire: RedisWire) -> dict[str, str]:
    try:
        text = (await wire.ask("INFO")).decode()
    except CommandFailed:
        return {}
    return dict(line.split(":", 1) for line in text.splitlines() if ":" in line and not line.startswith("#"))


async def _setting(wire: RedisWire, name: str) -> str | None:
    """None where looking is forbidden, as many hosters do."""
    try:
        reply = await wire.ask("CONFIG", "GET", name)
    except CommandFailed:
        return None
    return reply[1].decode() if reply else None
