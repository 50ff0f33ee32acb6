"""The stack's own Redis: kept on disk, for this machine and those who know the password."""

import os
from pathlib import Path

from project.stack.asking import redis_answers
from project.stack.binaries import NO_REDIS, redis_binary
from project.stack.part import Part
from project.stack.refused import Refused

CONFIGURATION = """\
bind 127.0.0.1
port {port}
dir "{folder}"
requirepass {password}
daemonize no
appendonly yes
appendfsync everysec
save 60 1000
maxmemory-policy noeviction
"""


def redis_part(folder: Path, *, port: int, password: str, begins: int, ends: int) -> Part:
    """Raises `Refused`."""
    binary = redis_binary()
    if binary is None:
        raise Refused(f"There is no Redis here: {NO_REDIS}; or set REDIS_URL.")
    folder.mkdir(mode=0o700, exist_ok=True)
    configuration = folder / "redis.conf"
    text = CONFIGURATION.format(port=port, folder=folder, password=password)
    with os.fdopen(os.open(configuration, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
        out.write(text)

    async def answers() -> bool:
        return await redis_answers(port, password)

    return Part(
        name="redis",
        command=[binary, configuration],
        folder=folder,
        begins=begins,
        ends=ends,
        answers=answers,
        where=f"127.0.0.1:{port}",
        grace_seconds=5.0,
    )


def redis_url(port: int, password: str) -> str:
    return f"redis://:{password}@127.0.0.1:{port}/0"
