"""All sockets of this process: counted per user, and looked at once a second by one task instead of many timers."""

import asyncio
from collections import Counter
from typing import Protocol
from uuid import UUID

import structlog

logger = structlog.get_logger(__name__)


class Socket(Protocol):
    user_id: UUID

    def tick(self) -> None:
        """Once a second: is it silent, in debt, or waiting for a run that the log did not know?"""

    async def say_closing(self, reason: str) -> None: ...


class SocketRegistry:
    """Belongs to the event loop; its task runs only while there are sockets."""

    def __init__(self) -> None:
        self._sockets: set[Socket] = set()
        self._per_user: Counter[UUID] = Counter()
        self._task: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._sockets)

    def admit(self, socket: Socket, *, most: int) -> bool:
        """False: this user has as many sockets as one may have."""
        if self._per_user[socket.user_id] >= most:
            return False
        self._per_user[socket.user_id] += 1
        self._sockets.add(socket)
        if self._task is None:
            self._task = asyncio.create_task(self._tick(), name="socket registry")
        return True

    def dismiss(self, socket: Socket) -> None:
        if socket in self._sockets:
            self._sockets.discard(socket)
            self._per_user[socket.user_id] -= 1
            if not self._per_user[socket.user_id]:
                del self._per_user[socket.user_id]

    async def say_closing(self, reason: str) -> None:
        """Tells every client that the process ends, so that it comes back by itself."""
        await asyncio.gather(*(s.say_closing(reason) for s in list(self._sockets)), return_exceptions=True)

    async def _tick(self) -> None:
        while self._sockets:
            await asyncio.sleep(1)
            for socket in list(self._sockets):
                try:
                    socket.tick()
                except Exception:  # one bad socket must not silence the clock of all others
                    logger.exception("socket tick failed")
        self._task = None
