"""The one file of the event log that meets redis-py: commands out, plain values in, three kinds of failure."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from redis.asyncio import ConnectionPool
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError

from chat.events.codec import Cursor

CONNECT_SECONDS: Final = 1.0
ANSWER_SECONDS: Final = 3.0
"""What Redis takes longer for than this, it does not do."""

SLOWEST_RETRY_SECONDS: Final = 0.5

CLAIM: Final = b"c"
BODY: Final = b"e"
STATE: Final = b"s"
"""The fields of an entry: it claims an epoch, holds an event, holds the run's state as of here."""


def command(*arguments: str | bytes | int) -> bytes:
    """A command as it goes over the line (the array of bulk strings of RESP)."""
    made = [b"*%d\r\n" % len(arguments)]
    for argument in arguments:
        value = argument if isinstance(argument, bytes) else str(argument).encode()
        made.append(b"$%d\r\n%b\r\n" % (len(value), value))
    return b"".join(made)


class EventCommand:
    """Makes the command that adds an event to one stream, which must be there. redis-py's own packing is half of what
    a delta would cost."""

    def __init__(self, key: str) -> None:
        arguments = [b"XADD", key.encode(), b"NOMKSTREAM"]
        self._start = b"*6\r\n" + b"".join(b"$%d\r\n%b\r\n" % (len(one), one) for one in arguments)
        self._field = b"\r\n$%d\r\n%b\r\n" % (len(BODY), BODY)

    def __call__(self, entry: bytes, body: bytes) -> bytes:
        return b"%b$%d\r\n%b%b$%d\r\n%b\r\n" % (
            self._start,
            len(entry),
            entry,
            self._field,
            len(body),
            body,
        )


class LogAway(Exception):
    """Redis does not answer, or does not do what it is asked."""


class TooOld(Exception):
    """An entry was refused: its stream has one of the same or a higher number."""


class CommandFailed(Exception):
    """Any other refusal of one command: no memory, a replica, no permission."""


class StreamEntry(NamedTuple):
    """One entry of a run's stream (docs/architecture.md). A claim has the number 0 and no event."""

    cursor: Cursor
    body: bytes | None
    state: bytes | None


class RedisWire:
    """One connection, for one task. Nothing is tried again by itself: whoever writes has to know that it may have
    been written, and whoever comes back has to look whether Redis has lost something meanwhile."""

    def __init__(self, url: str) -> None:
        # Timeouts are ours, around a whole batch. redis-py's own would end every blocking read after five seconds.
        pool: ConnectionPool = ConnectionPool.from_url(
            url,
            protocol=2,
            socket_timeout=None,
            socket_connect_timeout=CONNECT_SECONDS,
            retry=Retry(NoBackoff(), 0),
        )
        self._connection: AbstractConnection = pool.make_connection()  # type: ignore[no-untyped-call]

    @property
    def connected(self) -> bool:
        return bool(self._connection.is_connected)

    async def connect(self) -> None:
        """
        Raises:
            LogAway
        """
        await self._limited(self._connection.connect(), ANSWER_SECONDS)  # type: ignore[no-untyped-call]

    async def send(self, commands: Iterable[bytes]) -> list[Any]:
        """All in one trip; each reply, or a `TooOld` or `CommandFailed` in its place.

        Raises:
            LogAway: any part of them was done, or none.
        """
        asked = list(commands)
        return await self._limited(self._trip(asked), ANSWER_SECONDS) if asked else []

    async def ask(self, *arguments: str | bytes | int) -> Any:
        """
        Raises:
            CommandFailed
            LogAway
        """
        (reply,) = await self.send([command(*arguments)])
        if isinstance(reply, Exception):
            raise reply
        return reply

    async def read(
        self, after: Mapping[str, str], *, most: int, block_ms: int
    ) -> list[tuple[str, list[StreamEntry]]]:
        """What came after these ids, by stream; waits for the first. Nothing: nothing came.

        Raises:
            LogAway
        """
        asked = command("XREAD", "COUNT", most, "BLOCK", block_ms, "STREAMS", *after.keys(), *after.values())
        (reply,) = await self._limited(self._trip([asked]), block_ms / 1000 + ANSWER_SECONDS)
        if isinstance(reply, Exception):
            raise LogAway(str(reply))
        return [(key.decode(), parsed(entries)) for key, entries in reply or ()]

    async def aclose(self) -> None:
        await self._connection.disconnect(nowait=True)

    async def _trip(self, commands: Sequence[bytes]) -> list[Any]:
        connection = self._connection
        await connection.send_packed_command(b"".join(commands), check_health=False)
        replies: list[Any] = []
        for _ in commands:
            try:
                replies.append(await connection.read_response(disable_decoding=True))
            except ResponseError as error:
                replies.append(_judged(error))
        return replies

    async def _limited(self, work: Any, seconds: float) -> Any:
        try:
            async with asyncio.timeout(seconds):
                return await work
        except (RedisError, OSError) as error:  # a TimeoutError is an OSError
            # What was half read must not answer the next question.
            await self._connection.disconnect(nowait=True)
            raise LogAway(f"{type(error).__name__}: {error}") from error


def retry_in(failures: int) -> float:
    """Seconds until the next try after so many failed ones in a row."""
    return float(min(0.02 * 2**failures, SLOWEST_RETRY_SECONDS))


def _judged(error: ResponseError) -> Exception:
    return TooOld() if "equal or smaller" in str(error) else CommandFailed(str(error))


def parsed(entries: Iterable[Any]) -> list[StreamEntry]:
    """Entries as Redis gives them: `[[id, [field, value, …]], …]`."""
    found = []
    for name, fields in entries:
        epoch, _, seq = name.partition(b"-")
        cursor = Cursor(int(epoch), int(seq))
        if len(fields) == 2 and fields[0] == BODY:
            found.append(StreamEntry(cursor, fields[1], None))
        else:
            named = dict(zip(fields[::2], fields[1::2], strict=True))
            found.append(StreamEntry(cursor, named.get(BODY), named.get(STATE)))
    return found
