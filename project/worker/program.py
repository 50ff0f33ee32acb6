"""`celery -A project worker`, as this site wants it: quiet, known to the others, and gone when it is told to go."""

import logging
import os
import warnings
from typing import Any, Final

import structlog
from celery import concurrency as pools
from celery.apps import worker as celery_worker
from celery.concurrency.thread import TaskPool as Threads
from celery.exceptions import CPendingDeprecationWarning
from celery.utils.nodenames import NODENAME_DEFAULT, default_nodename
from django.conf import settings
from django.core import checks

from project.broker import IN_MEMORY
from project.worker import database
from project.worker.ending import Ending
from project.worker.overseer import Overseer

log = structlog.get_logger(__name__)

THREADS: Final = 8
"""What the threads pool has without `-c`: they wait most of the time, so the number of processors says nothing."""


class Worker(celery_worker.Worker):
    """One process that takes tasks: with `-P prefork` its children run them, with `-P threads` its threads."""

    pool_cls: Any
    concurrency: Any

    def __init__(self, app: Any = None, hostname: str | None = None, **options: Any) -> None:
        # Celery's name for all that have none; two of a name on one machine would answer for each other.
        name, _, host = default_nodename(hostname or "").partition("@")
        if name == NODENAME_DEFAULT:
            name = f"worker-{os.getpid()}"
        super().__init__(app=app, hostname=f"{name}@{host}", **options)

    def on_before_init(self, quiet: bool = False, **options: Any) -> None:
        refuse_broker_in_memory()
        # Celery warns of root before it does this itself.
        logging.captureWarnings(True)
        super().on_before_init(quiet=True, **options)

    def setup_defaults(self, **options: Any) -> None:  # type: ignore[override]  # the stubs name each
        super().setup_defaults(**options)
        if self.concurrency is None and self._has_threads():
            self.concurrency = THREADS

    def prepare_args(self, **options: Any) -> dict[str, Any]:
        # Workers need nothing of each other: who lives is in the database.
        return {**options, "without_gossip": True, "without_mingle": True, "without_heartbeat": True}

    def on_init_blueprint(self) -> None:
        # Imported only now, when Django is ready.
        from chat.engine.worker_node import WorkerHeartbeat

        refuse_what_is_wrong()
        super().on_init_blueprint()
        # Told at every lost connection, of a default that we have chosen ourselves.
        warnings.filterwarnings("ignore", category=CPendingDeprecationWarning)
        # Before there are children, so that they know whose they are.
        self.heartbeat = WorkerHeartbeat(each_seconds=settings.HEARTBEAT_SECONDS)
        database.prepare(pooled=self._has_threads())
        self.overseer = Overseer(self, self.heartbeat.node)
        Ending(self, grace_seconds=settings.DRAIN_SECONDS, farewell=self.heartbeat.stop)

    def on_consumer_ready(self, consumer: Any) -> None:
        """Called once, when tasks are taken; not again after Redis was away."""
        super().on_consumer_ready(consumer)
        self.heartbeat.start()
        if not self._has_threads():
            self.overseer.start()
        log.info(
            "worker ready",
            node=str(self.heartbeat.node),
            queues=sorted(self.app.amqp.queues.consume_from),
            pool="threads" if self._has_threads() else "prefork",
            concurrency=self.concurrency,
        )

    def on_stopped(self) -> None:
        super().on_stopped()
        self.overseer.stop()
        self.heartbeat.stop()
        log.info("worker ended", node=str(self.heartbeat.node))

    def _has_threads(self) -> bool:
        return issubclass(pools.get_implementation(self.pool_cls), Threads)


def refuse_broker_in_memory() -> None:
    if settings.CELERY_BROKER_URL == IN_MEMORY:
        raise SystemExit(
            "Without REDIS_URL (or BROKER_URL) tasks stay in the process that sends them: manage.py serve runs them."
        )


def refuse_what_is_wrong() -> None:
    """Such as two tools of one name, which no other start gets past. Celery asks for it too, and does not listen."""
    wrong = [message for message in checks.run_checks() if message.is_serious() and not message.is_silenced()]
    if wrong:
        raise SystemExit("\n".join(str(message) for message in wrong))
