"""What processes tell each other and all tabs of a user, over the channel layer: hints and notices, never content.

Nothing depends on it: what a hint is about stands in the database, where it is found a moment later anyway, and a tab
that may have missed a notice is told so. So a channel layer that is away costs nobody a socket or an answer.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final, Protocol
from uuid import UUID

import structlog

logger = structlog.get_logger(__name__)

PROCESSES: Final = "processes"
MOST_WAITING: Final = 1000
"""What is to be sent and waits; beyond that the oldest is dropped."""
SEND_SECONDS: Final = 2.0
RETRY_SECONDS: Final = 1.0

Notice = dict[str, Any]
Hear = Callable[[Notice], None]


class ChannelLayer(Protocol):
    """What of Channels' layers is used."""

    async def new_channel(self) -> str: ...
    async def receive(self, channel: str) -> dict[str, Any]: ...
    async def group_add(self, group: str, channel: str) -> None: ...
    async def group_discard(self, group: str, channel: str) -> None: ...
    async def group_send(self, group: str, message: dict[str, Any]) -> None: ...


def user_group(user: UUID) -> str:
    """The channel layer's group of all processes that have sockets of a user."""
    return f"user.{user.hex}"


class Broadcast:
    """One channel for the whole process. What is told here is heard here at once, whatever the layer does.

    `hinted` is called with the name and the fields that another process has given to `hint`.
    """

    def __init__(
        self, layer: ChannelLayer | None, *, name: str, hinted: Callable[[str, dict[str, Any]], None]
    ) -> None:
        """`name` is this process's among all. Without a layer there is no other."""
        self._layer = layer
        self._name = name
        self._hinted = hinted
        self._listeners: dict[UUID, list[Hear]] = {}
        self._channel = ""
        self._opened = asyncio.Event()
        self._joined: set[UUID] = set()
        self._joining = asyncio.Event()
        self._out: deque[tuple[str, dict[str, Any]]] = deque(maxlen=MOST_WAITING)
        self._sending = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        if self._layer is None:
            return
        for work in (self._join, self._send, self._listen):
            task = asyncio.create_task(
                self._for_ever(partial(work, self._layer)), name=f"broadcast {work.__name__}"
            )
            self._tasks.append(task)

    async def aclose(self) -> None:
        """Sends what still waits, if it can."""
        if self._layer is None:
            return
        try:
            async with asyncio.timeout(SEND_SECONDS / 4):
                await self._send_all(self._layer)
        except Exception as error:  # noqa: BLE001  (it was only a hint)
            logger.info("not told any more", reason=repr(error))
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def subscribe(self, user: UUID, hear: Hear) -> Callable[[], None]:
        """`hear` gets the user's notices, wherever they are made; what is returned ends that."""
        self._listeners.setdefault(user, []).append(hear)
        self._joining.set()

        def leave() -> None:
            hearing = self._listeners.get(user, [])
            if hear in hearing:
                hearing.remove(hear)
            if not hearing:
                self._listeners.pop(user, None)
                self._joining.set()

        return leave

    def notify(self, user: UUID, notice: Notice) -> None:
        """For all tabs of this user."""
        self._hear(user, notice)
        self._put(user_group(user), {"user": user.hex, "notice": notice})

    def notify_here(self, notice: Notice) -> None:
        """For all tabs of this process."""
        for user in list(self._listeners):
            self._hear(user, notice)

    def hint(self, name: str, **fields: Any) -> None:
        """For all other processes."""
        self._put(PROCESSES, {"hint": name, "fields": fields})

    # --- out --------------------------------------------------------------------------------------------

    def _put(self, group: str, message: dict[str, Any]) -> None:
        if self._layer is not None:
            self._out.append((group, {"type": "broadcast", "from": self._name, **message}))
            self._sending.set()

    async def _send(self, layer: ChannelLayer) -> None:
        await self._sending.wait()
        self._sending.clear()
        await self._send_all(layer)

    async def _send_all(self, layer: ChannelLayer) -> None:
        while self._out:
            group, message = self._out.popleft()
            try:
                await self._bounded(layer.group_send(group, message))
            except Exception:  # noqa: BLE001
                # The first one after an outage fails on a line that was cut meanwhile.
                await self._bounded(layer.group_send(group, message))

    # --- in ---------------------------------------------------------------------------------------------

    async def _join(self, layer: ChannelLayer) -> None:
        """Brings the groups in step with the users who have sockets here."""
        if not self._channel:
            channel = await self._bounded(layer.new_channel())
            await self._bounded(layer.group_add(PROCESSES, channel))
            self._channel = channel
            self._opened.set()
        self._joining.clear()
        for user in self._listeners.keys() - self._joined:
            await self._bounded(layer.group_add(user_group(user), self._channel))
            self._joined.add(user)
        for user in self._joined - self._listeners.keys():
            self._joined.discard(user)
            await self._bounded(layer.group_discard(user_group(user), self._channel))
        await self._joining.wait()

    async def _listen(self, layer: ChannelLayer) -> None:
        await self._opened.wait()
        message = await layer.receive(self._channel)
        try:
            self._take(message)
        except Exception:  # of a newer version, or of somebody who has no business there
            logger.exception("message of another process not understood")

    def _take(self, message: dict[str, Any]) -> None:
        if message.get("from") == self._name:
            return
        if "notice" in message:
            self._hear(UUID(message["user"]), message["notice"])
        else:
            self._hinted(message["hint"], message["fields"])

    def _hear(self, user: UUID, notice: Notice) -> None:
        for hear in tuple(self._listeners.get(user, ())):
            hear(notice)

    async def _bounded(self, work: Awaitable[Any]) -> Any:
        async with asyncio.timeout(SEND_SECONDS):
            return await work

    async def _for_ever(self, work: Callable[[], Awaitable[None]]) -> None:
        failing = False
        while True:
            try:
                await work()
                failing = False
            except Exception as error:  # noqa: BLE001  (whatever the layer's client raises)
                if not failing:
                    logger.warning("channel layer does not answer", reason=repr(error))
                failing = True
                await asyncio.sleep(RETRY_SECONDS)
