"""Looks after the children of a worker: what a dead one had is given back, one that works in vain is killed."""

import os
import threading
from typing import Any, Final
from uuid import UUID

import structlog
from celery.worker import state
from django.db import Error, connection

log = structlog.get_logger(__name__)

EACH_SECONDS: Final = 0.5


class Overseer:
    """A thread of the parent of a prefork pool. Celery's own `revoke` would ask every worker for what one must do,
    through a broker that may be away; the row says it as well, and this worker knows which child has the task."""

    def __init__(self, worker: Any, node: UUID) -> None:
        self._worker = worker
        self._node = node
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._oversee, name="overseer", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()

    def _oversee(self) -> None:
        # Imported only now, when Django is ready.
        from chat.engine.neighbours import birth_of

        birth = birth_of(os.getpid())
        while not self._ended.wait(EACH_SECONDS):
            try:
                self._look(birth)
            except Error as error:
                log.warning("children not looked after", reason=str(error).strip())
                connection.close()
            except Exception:  # the next look may go better
                log.exception("children not looked after")
        connection.close()

    def _look(self, birth: str) -> None:
        from chat.engine.worker_node import in_vain, let_go_of_the_dead

        if lost := let_go_of_the_dead(self._node, birth):
            log.warning("a child died with its tools", invocations=lost)
        # A copy: the worker's own thread changes it meanwhile.
        at_work = {
            UUID(request.args[0]): request for request in list(state.active_requests) if _is_tool(request)
        }
        for key in in_vain(list(at_work)) if at_work else ():
            request = at_work[key]
            log.warning("tool stopped by force", invocation=str(key), child=request.worker_pid)
            self._worker.hub.call_soon(_kill, request, self._worker.pool)


def _is_tool(request: Any) -> bool:
    from chat.wiring.sending import CALL_TOOL

    return bool(request.name == CALL_TOOL and request.args and request.worker_pid)


def _kill(request: Any, pool: Any) -> None:
    """On the worker's own thread, which gives children their tasks: the child still has this one."""
    if request in state.active_requests:
        request.terminate(pool, "KILL")
