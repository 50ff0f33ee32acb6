"""A forwarder that cuts what passes through it, at a byte chosen by chance."""

import asyncio
import random
import socket
import struct
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from enum import StrEnum

LONGEST_SECONDS = 1.5
"""A connection on which the chosen byte has not come by then is cut where it is."""
DEAD_SECONDS = 3.0
"""How long the half that was left open stays open."""
DOWN_BYTES, UP_BYTES = 9000, 1500


class How(StrEnum):
    CLOSED = "closed"
    RESET = "reset"
    CLIENT_ALONE = "the client's half alone"
    """The server goes on writing to nobody."""
    SERVER_ALONE = "the server's half alone"
    """The client waits for what never comes."""


class CuttingProxy:
    """In front of one port. `cuts` counts those that were made; with `cutting` off everything passes."""

    def __init__(self, target: int, chance: random.Random) -> None:
        self.target = target
        self.port = 0
        self.cutting = True
        self.cuts: Counter[How] = Counter()
        self._chance = chance
        self._tasks: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def open(self) -> AsyncIterator["CuttingProxy"]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for task in list(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.close()
            return
        try:
            await self._forward((reader, writer), (up_reader, up_writer))
        except asyncio.CancelledError:
            pass  # the forwarder is closed; asyncio would call that a failure
        finally:
            for end in (writer, up_writer):
                end.transport.abort()
            self._tasks.discard(task)

    async def _forward(
        self,
        client: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        server: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> None:
        down = self._chance.random() < 0.7
        at = self._chance.randrange(DOWN_BYTES if down else UP_BYTES)
        if not self.cutting:
            at = -1
        pumps = [
            asyncio.create_task(_pump(server[0], client[1], at if down else -1)),
            asyncio.create_task(_pump(client[0], server[1], -1 if down else at)),
        ]
        longest = LONGEST_SECONDS if self.cutting else None
        try:
            done, _ = await asyncio.wait(pumps, timeout=longest, return_when=asyncio.FIRST_COMPLETED)
            if any(not task.cancelled() and not task.exception() and not task.result() for task in done):
                return  # one of them has hung up by itself
        finally:
            for task in pumps:
                task.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
        await self._cut(client[1], server[1])

    async def _cut(self, client: asyncio.StreamWriter, server: asyncio.StreamWriter) -> None:
        how = self._chance.choice(list(How))
        self.cuts[how] += 1
        match how:
            case How.CLOSED:
                for end in (client, server):
                    end.close()
            case How.RESET:
                for end in (client, server):
                    reset(end)
            case How.CLIENT_ALONE:
                client.close()
                await asyncio.sleep(DEAD_SECONDS)
            case How.SERVER_ALONE:
                server.close()
                await asyncio.sleep(DEAD_SECONDS)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, at: int) -> bool:
    """Passes bytes on, exactly so many (-1: all). True: these were all it may pass."""
    passed = 0
    with suppress(OSError):
        while data := await reader.read(4096):
            if at >= 0:
                data = data[: at - passed]
                passed += len(data)
            writer.write(data)
            await writer.drain()
            if at >= 0 and passed >= at:
                return True
    return False


def reset(end: asyncio.StreamWriter) -> None:
    """RST instead of FIN."""
    line = end.get_extra_info("socket")
    with suppress(OSError):
        line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    end.transport.abort()
