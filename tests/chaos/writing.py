"""One process's writing, by the functions that the site itself writes with."""

import random
import time
import uuid
from collections.abc import Collection
from datetime import datetime
from typing import Any

from django.utils import timezone

from chat.actions.conversations import Change, change_conversation, delete_conversation
from chat.actions.runs import Started, StartRequest, start_runs, stop_run
from chat.engine import recorder
from chat.engine.database import storage_errors
from chat.engine.heartbeat import register
from chat.engine.offers import Offers
from chat.engine.plan import RunPlan
from chat.events.fold import StepState
from chat.models import Conversation, Node, User

FEWEST = 3
MOST_OPEN = 8
TEXT = "some words of an answer that grows " * 20


class Writer:
    """It is its own office: what would be told to others goes nowhere."""

    def __init__(self, user: User, chance: random.Random) -> None:
        self._user = user
        self._chance = chance
        self._open: list[Started] = []
        self.node = register(Node.Kind.WEB)
        self.offers = Offers(time.monotonic)

    def write_something(self) -> None:
        """One transaction of a kind that chance has chosen."""
        deeds = [self._start, self._save, self._save, self._end, self._stop, self._rename, self._delete]
        with storage_errors():
            self._chance.choices(deeds, weights=[6, 6, 6, 5, 1, 2, 1])[0]()

    # --- Office ---------------------------------------------------------------------------------------

    def launch(self, plan: RunPlan) -> None: ...

    def stop_run(self, run: uuid.UUID, asked_at: datetime) -> None: ...

    def woken(self, run: uuid.UUID) -> None:
        pass

    def tool_changed(self, run: str) -> None:
        pass

    def announce(self, user: uuid.UUID, name: str, fields: dict[str, Any]) -> None: ...

    def tell_invocations(self, keys: Collection[uuid.UUID]) -> None: ...

    # --- deeds ----------------------------------------------------------------------------------------

    def _start(self) -> None:
        if len(self._open) >= MOST_OPEN:
            self._end()
            return
        request = StartRequest(
            key=uuid.uuid4(),
            models=("writers/none",) * self._chance.choice([1, 1, 2]),
            conversation=self._conversation(),
            content=[{"type": "text", "text": "hello"}],
        )
        self._open.append(start_runs(self._user, request, self))

    def _save(self) -> None:
        recorder.save_partials([self._partial(run) for started in self._open for run in started.runs])

    def _end(self) -> None:
        if not self._open:
            return
        started = self._open.pop(self._chance.randrange(len(self._open)))
        for run in started.runs:
            partial = self._partial(run)
            recorder.save_ending(
                recorder.Ending(
                    run=run.run,
                    epoch=1,
                    message=run.message,
                    conversation=uuid.UUID(started.conversation),
                    user=self._user.pk,
                    model=run.model,
                    steps=partial.steps,
                    columns={"status": "completed"},
                    calls=[self._call(started, run.run)],
                    finished_at=timezone.now(),
                )
            )

    def _stop(self) -> None:
        if self._open:
            stop_run(self._user, uuid.UUID(self._chance.choice(self._open).run), self)

    def _rename(self) -> None:
        if conversation := self._conversation():
            change_conversation(self._user, conversation, Change(title="renamed"), self)

    def _delete(self) -> None:
        keys = list(Conversation.objects.values_list("pk", flat=True))
        if len(keys) > FEWEST:
            delete_conversation(self._user, self._chance.choice(keys), self)

    # --- parts ----------------------------------------------------------------------------------------

    def _conversation(self) -> uuid.UUID | None:
        """Mostly one that the others write in, too; now and then a new one."""
        keys = list(Conversation.objects.order_by("pk").values_list("pk", flat=True)[:6])
        return self._chance.choice(keys) if len(keys) >= FEWEST and self._chance.random() < 0.9 else None

    def _partial(self, run: Any) -> recorder.Partial:
        step = StepState(1, False, [{"type": "text", "text": TEXT}])
        return recorder.Partial(run.run, 1, run.message, self._chance.randrange(1, 1000), [step])

    def _call(self, started: Started, run: str) -> recorder.CallRecord:
        columns = {
            "id": uuid.uuid4(),
            "user_id": self._user.pk,
            "pseudonym": self._user.pseudonym,
            "started_at": timezone.now(),
            "conversation_id": uuid.UUID(started.conversation),
            "run_id": uuid.UUID(run),
            "provider": "writers",
            "model": "none",
            "outcome": "completed",
        }
        return recorder.CallRecord(columns)
