"""Runs whose process has died, for tests of rescue."""

import time
import uuid
from datetime import timedelta

from django.db.models.functions import Now

from chat.actions.runs import StartRequest, start_runs
from chat.engine.offers import Offers
from chat.engine.recorder import Partial, save_partials
from chat.events.fold import StepState
from chat.models import Node


class Elsewhere:
    """The office of a process that died before it could do anything."""

    def __init__(self, node):
        self.node = node
        self.offers = Offers(time.monotonic)

    def launch(self, plan):
        pass

    def stop_run(self, run, asked_at):
        pass

    def woken(self, run):
        pass

    def tool_changed(self, run):
        pass

    def announce(self, user, name, fields):
        pass

    def tell_invocations(self, keys):
        pass


def half_done(chat, said):
    """A run of a node that is dead, with some text stored."""
    dead = Node.objects.create(kind="web", host="gone", pid=1, heartbeat_at=Now() - timedelta(seconds=60))
    request = StartRequest(
        key=uuid.uuid4(), models=(chat.model.full_name,), content=[{"type": "text", "text": "hello"}]
    )
    started = start_runs(chat.user, request, Elsewhere(dead.pk))
    if said:
        step = StepState(1, False, [{"type": "text", "text": said}])
        save_partials([Partial(started.run, 1, started.runs[0].message, 3, [step])])
    return started
