"""Tasks for the tests of workers: each writes down where it runs (`celery worker -I tests.project.chores`)."""

import json
import os
import time
from pathlib import Path
from typing import Any

from celery import shared_task
from celery.beat import PersistentScheduler
from django.db import connection

from project.schedule import every


def _note(file: str, **facts: Any) -> None:
    with Path(file).open("a") as notes:
        notes.write(json.dumps({"pid": os.getpid(), "parent": os.getppid(), **facts}) + "\n")


def _work(file: str, name: str, seconds: float) -> None:
    from chat.engine.worker_node import own_node
    from chat.models import Node

    workers = Node.objects.filter(kind=Node.Kind.WORKER, stopped_at=None).values_list("pk", "pid")
    _note(
        file,
        what="began",
        name=name,
        node=str(own_node()),
        workers={str(key): pid for key, pid in workers},
        connection=id(connection.connection),
        pooled=bool(connection.settings_dict["OPTIONS"].get("pool")),
    )
    time.sleep(seconds)
    _note(file, what="ended", name=name)


@shared_task(name="tools.note")
def tool(file: str, name: str, seconds: float = 0.0) -> str:
    _work(file, name, seconds)
    return "what people have written"


@shared_task(name="webhooks.note")
def webhook(file: str, name: str, seconds: float = 0.0) -> None:
    _work(file, name, seconds)


@shared_task(name="other.note")
def other(file: str, name: str, seconds: float = 0.0) -> None:
    _work(file, name, seconds)


@shared_task(name="other.tick")
def tick() -> None:
    _note(os.environ["TICKS"], what="tick")


class QuickScheduler(PersistentScheduler):
    """Beat's own, with an entry that is due twice a second."""

    def setup_schedule(self) -> None:
        super().setup_schedule()
        self.update_from_dict({"tick": every(0.5, "other.tick")})
