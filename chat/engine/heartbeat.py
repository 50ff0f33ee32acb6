"""A process says that it lives: a thread of its own, so that a busy event loop does not look like a dead one."""

import os
import socket
import threading
from collections.abc import Callable
from uuid import UUID

import structlog
from django.db import Error, connection
from django.db.models.functions import Now

from chat.engine.neighbours import birth_of
from chat.engine.patience import patience
from chat.models import Node
from chat.models.base import new_id

logger = structlog.get_logger(__name__)

LEAST_PATIENCE_SECONDS = 1.0


def register(kind: Node.Kind, key: UUID | None = None) -> UUID:
    """A new node for this process."""
    pid = os.getpid()
    host = socket.gethostname()[:200]
    return Node.objects.create(pk=key or new_id(), kind=kind, host=host, pid=pid, birth=birth_of(pid)).pk


class Heartbeat:
    """Writes once every `each_seconds` while `loop_turns` says so; a loop that hangs must lose its runs.

    It keeps one connection as long as that works: a process under load must not wait in its own line to say that
    it lives.
    """

    def __init__(
        self,
        node: UUID,
        *,
        each_seconds: float,
        loop_turns: Callable[[], bool],
        alive: Callable[[], None] = lambda: None,
    ) -> None:
        """`loop_turns` is asked in the heartbeat's thread and must answer at once; `alive` is called where it says yes,
        whether the database hears of it or not."""
        self._alive = alive
        self._node = node
        self._each_seconds = each_seconds
        self._loop_turns = loop_turns
        self._hangs = False
        self._ended = threading.Event()
        self.missed = 0
        """Signs of life that were due and could not be given."""
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Says good-bye, so that others need not wait for the lease to end."""
        self._ended.set()
        self._thread.join(timeout=2)

    def _beat(self) -> None:
        while not self._ended.wait(self._each_seconds):
            if self._may_beat():
                self._alive()
                # A neighbour that took us for dead was wrong.
                self._write(heartbeat_at=Now(), stopped_at=None)
            else:
                self.missed += 1
        self._write(stopped_at=Now())
        connection.close()

    def _may_beat(self) -> bool:
        turns = self._loop_turns()
        if turns == self._hangs:
            self._hangs = not turns
            if turns:
                logger.warning(
                    "event loop turns again; what others have taken over is not written here any more"
                )
            else:
                logger.error("event loop hangs; its runs will be taken over")
        return turns

    def _write(self, **values: object) -> None:
        try:
            # One that hangs is left for a new connection, while there is still time to be heard.
            with patience(max(LEAST_PATIENCE_SECONDS, self._each_seconds)):
                Node.objects.filter(pk=self._node).update(**values)
        except Error as error:
            self.missed += 1
            logger.warning("heartbeat not written", reason=str(error))
            connection.close()
