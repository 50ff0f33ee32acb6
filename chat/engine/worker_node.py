"""A worker process among the nodes: its children and threads are no nodes of their own."""

from collections.abc import Collection
from uuid import UUID

import structlog
from django.db import Error, connection

from chat.engine.heartbeat import LEAST_PATIENCE_SECONDS, Heartbeat, register
from chat.engine.neighbours import gone
from chat.engine.patience import patience
from chat.models import Node, ToolInvocation
from chat.models.base import new_id

logger = structlog.get_logger(__name__)

NOTICE_SECONDS = 2.0
"""What a stopped tool has to end by itself and tidy up."""

_own_node: UUID | None = None


def own_node() -> UUID | None:
    """The node of the worker that this process is, or is a child of; None in every other process."""
    return _own_node


def let_go_of_the_dead(node: UUID, birth: str) -> int:
    """What dead children of this worker had is nobody's; whoever makes the run sees it. How many.

    Nobody else can see it on another machine: the worker itself lives.
    """
    ours = ToolInvocation.objects.filter(node=node, status=ToolInvocation.Status.RUNNING)
    dead = gone(set(ours.exclude(worker_birth=birth).values_list("worker_birth", flat=True)), birth)
    return ours.filter(worker_birth__in=dead).update(node=None) if dead else 0


def in_vain(invocations: Collection[UUID]) -> set[UUID]:
    """Those of them whose tool should have noticed by now that nobody waits for it: stopped, or out of time."""
    unwanted = ToolInvocation.objects.unwanted(invocations, NOTICE_SECONDS)
    return set(unwanted.values_list("pk", flat=True))


class WorkerHeartbeat(Heartbeat):
    """Writes its node itself, as soon as the database answers: a worker may be there before it.

    The node has its key from the beginning, so that children that are forked before know it as well. It lives as long
    as the process does: while the worker ends, its main thread only waits, and the last tasks are still under way.
    """

    def __init__(self, *, each_seconds: float) -> None:
        global _own_node
        self.node = _own_node = new_id()
        super().__init__(self.node, each_seconds=each_seconds, loop_turns=lambda: True)

    def stop(self) -> None:
        if self._thread.is_alive():
            super().stop()

    def _beat(self) -> None:
        while not self._register():
            if self._ended.wait(self._each_seconds):
                return
        super()._beat()

    def _register(self) -> bool:
        try:
            with patience(max(LEAST_PATIENCE_SECONDS, self._each_seconds)):
                register(Node.Kind.WORKER, self.node)
        except Error as error:
            logger.warning("node not registered", reason=str(error))
            connection.close()
            return False
        return True
