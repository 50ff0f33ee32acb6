"""Tool calls of Alice's, what becomes of them, and what her systems hear of it."""

import json
from datetime import timedelta
from typing import Any

from django.utils import timezone

from chat.engine import recorder
from chat.events.fold import StepState
from chat.models import Run, ToolInvocation, User, WebhookDelivery
from chat.models.tools import TellInvocations
from tests.engine.orphans import Elsewhere
from tests.factories import RunFactory

RUNNING: dict[str, Any] = {"status": "running", "waits_for": "", "epoch": 1, "attempts": 1}
PENDING: dict[str, Any] = {"status": "pending", "waits_for": ""}
LATE: dict[str, Any] = {"deadline_at": timezone.now() - timedelta(seconds=60)}
ENDED = "function_call_completed"
CLIENT: dict[str, Any] = {"kind": "client", "waits_for": "client"}


class Office(Elsewhere):
    """Tells nobody of anything, save within the transaction."""

    def __init__(self, tell: TellInvocations) -> None:
        super().__init__(None)
        self.tell_invocations = tell  # type: ignore[method-assign]


def told() -> list[dict[str, Any]]:
    return [json.loads(row.payload) for row in WebhookDelivery.objects.order_by("pk")]


def outline() -> list[tuple[str, str]]:
    return [(one["event"], one.get("status") or one["for"]) for one in told()]


def run_of(user: User) -> Run:
    return RunFactory.create(user=user, conversation__owner=user, status="waiting", epoch=1)


def ending(row: ToolInvocation, steps: list[StepState]) -> recorder.Ending:
    return recorder.Ending(
        run=str(row.run_id),
        epoch=1,
        message=str(row.run.message_id),
        conversation=row.conversation_id,
        user=row.user_id,
        model="p/m",
        steps=steps,
        columns={"status": "completed"},
        calls=[],
        finished_at=timezone.now(),
    )
