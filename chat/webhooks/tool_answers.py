"""What a webhook tool's server has said, applied to its invocation, and to the run that waits for it."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.db import transaction
from msgspec.structs import replace

from chat.engine.moderated_results import Judged, judged_note, judged_result
from chat.exceptions import ChatError, Gone, NotFound, TooLarge
from chat.models import Run, ToolInvocation
from chat.models.tools import TellInvocations
from chat.webhooks.tool_protocol import (
    Failed,
    Progress,
    Said,
    Succeeded,
    error_of,
)
from tools import runner
from tools.results import MOST_RESULT_BYTES, as_text, shortened
from tools.runner import ToolOutcome


def _never() -> bool:
    return False


def apply(
    invocation: ToolInvocation,
    said: Said,
    *,
    tell: TellInvocations,
    told: Callable[[bool], object],
    seen: Callable[[], bool] = _never,
    keep: Callable[[], object] = lambda: None,
) -> bool:
    """False: `seen` says that this has had its effect before. `keep` is called inside the transaction of the effect,
    `tell` likewise, `told` after it, with whether the run was parked; a result has made it free then.

    Raises:
        TooLarge: the result.
        NotFound: the invocation is gone, or was not sent out.
        Gone: it has ended, or its time is over.
    """
    write = _writer(invocation, said, tell)
    with transaction.atomic():
        # The run's row first, as whoever parks it: it sees this answer, or this sees that it is parked.
        run = Run.objects.select_for_update().filter(pk=invocation.run_id)
        status = run.values_list("status", flat=True).first()
        if status is None:
            raise NotFound
        if seen():
            return False
        if not write():
            raise _refusal(invocation.pk)
        keep()
        parked = status == Run.Status.WAITING
        if parked and not isinstance(said, Progress):
            Run.objects.wake(invocation.run_id)
        transaction.on_commit(lambda: told(parked))
    return True


def outcome_of(answer: Succeeded | Failed, most_bytes: int) -> ToolOutcome:
    """What is recorded: the whole, and what of it the model is given."""
    if isinstance(answer, Failed):
        outcome = runner.outcome_of(error_of(answer))
        return replace(outcome, text=shortened(outcome.whole, most_bytes))
    whole = as_text(answer.result)
    return ToolOutcome("succeeded", shortened(whole, most_bytes), whole)


def _writer(invocation: ToolInvocation, said: Said, tell: TellInvocations) -> Callable[[], bool]:
    if isinstance(said, Progress):
        asked = ToolInvocation.objects.called().filter(pk=invocation.pk)
        note = judged_note(invocation, said.note)
        return lambda: bool(asked.update(fraction=said.fraction, note=note))
    tool = invocation.webhook_tool
    if tool is None:
        raise NotFound
    outcome = outcome_of(said, tool.max_result_bytes)
    if len(outcome.whole.encode()) > MOST_RESULT_BYTES:
        raise TooLarge("A result may have 1 MB at most.", field="result")
    judged = judged_result(invocation, outcome.whole)
    if judged.altered:
        status = "failed" if judged.withheld else outcome.status
        text = shortened(judged.text, tool.max_result_bytes)
        outcome = replace(outcome, status=status, text=text, whole=judged.text)
    columns: dict[str, Any] = {
        "status": outcome.status,
        "result": outcome.whole,
        "shown": outcome.text if outcome.shortened else "",
    }
    return lambda: _answered(invocation, judged, tell, columns)


def _answered(
    invocation: ToolInvocation, judged: Judged, tell: TellInvocations, columns: dict[str, Any]
) -> bool:
    won = ToolInvocation.objects.answer_call(invocation.pk, tell=tell, **columns)
    if won:
        judged.write()
    return won


def _refusal(key: UUID) -> ChatError:
    now = ToolInvocation.objects.filter(pk=key).first()
    if now is None:
        return NotFound()
    if now.ended:
        return Gone(f"This has its result already: {now.status}.")
    if now.status == ToolInvocation.Status.RUNNING or now.waits_for == ToolInvocation.Waits.CALLBACK:
        return Gone("That comes too late: the deadline has passed.")
    return NotFound("This does not wait for an answer.")
