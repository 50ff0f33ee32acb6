"""All sockets of this process: counted per user, and looked at once a second by one task instead of many timers.

The bound of sockets a user holds for each process, for what it protects is a process: its memory, its descriptors, its
turns of the loop. A count over all processes would have to outlive them, and then who comes back after a crash, with
all tabs at once, would be turned away by places that nobody holds any more.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context
from typing import Protocol
from uuid import UUID

import structlog

from chat.exceptions import StorageUnavailable
from chat.websocket.auth import Credential

logger = structlog.get_logger(__name__)

TICK_SECONDS = 1.0

Check = Callable[[Sequence[Credential]], Awaitable[set[Credential]]]
"""Which of these are still good."""


class Socket(Protocol):
    user_id: UUID
    credential: Credential

    @property
    def lag(self) -> tuple[int, float]:
        """Events that are there and were not sent yet; the seconds it has waited for an acknowledgement."""

    def tick(self) -> None:
        """Once a second: is it silent, in debt, or waiting for a run that the log did not know?"""

    def revoke(self) -> None:
        """Its session has ended, its user was deactivated, or the password is another one."""

    async def say_closing(self, reason: str) -> None: ...


class SocketRegistry:
    """Belongs to the event loop; its task runs only while there are sockets."""

    def __init__(self) -> None:
        self._sockets: set[Socket] = set()
        self._per_user: Counter[UUID] = Counter()
        self._task: asyncio.Task[None] | None = None
        self.closed: Counter[int] = Counter()
        """Sockets that were closed since the start, also before they were admitted, by close code."""

    def lags(self) -> list[tuple[int, float]]:
        return [socket.lag for socket in self._sockets]

    def __len__(self) -> int:
        return len(self._sockets)

    def admit(self, socket: Socket, *, most: int, check: Check) -> bool:
        """False: this user has as many sockets as one may have."""
        if self._per_user[socket.user_id] >= most:
            return False
        self._per_user[socket.user_id] += 1
        self._sockets.add(socket)
        if self._task is None or self._task.done():
            # It serves all sockets: what it logs is not about the one that came first.
            self._task = asyncio.get_running_loop().create_task(
                self._tick(check), name="socket registry", context=Context()
            )
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

    async def _tick(self, check: Check) -> None:
        while self._sockets:
            await asyncio.sleep(TICK_SECONDS)
            for socket in list(self._sockets):
                try:
                    socket.tick()
                except Exception:  # one bad socket must not silence the clock of all others
                    logger.exception("socket tick failed")
            await self._revoke(check)

    async def _revoke(self, check: Check) -> None:
        """One question for all sockets together; the user of a scope never refreshes by itself."""
        asked = list(self._sockets)
        try:
            good = await check([socket.credential for socket in asked])
        except StorageUnavailable:
            return
        except Exception:
            logger.exception("sign-ins not checked")
            return
        for socket in asked:
            if socket.credential not in good and socket in self._sockets:
                socket.revoke()
