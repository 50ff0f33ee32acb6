"""Answering what a tool invocation waits for: a person's decision, or the result of a tool that the caller runs."""

from collections.abc import Callable
from typing import Any, Literal
from uuid import UUID

import msgspec
import structlog
from django.db import transaction
from django.db.models.functions import Now

from chat.actions.runs import Office
from chat.engine.loop import read_arguments
from chat.engine.moderated_results import Judged, judged_result
from chat.engine.offered_tools import argument_errors
from chat.exceptions import AlreadyDecided, InvalidRequest, NotFound, TooLarge
from chat.llm.dialects.text import clean, clean_json
from chat.models import Run, ToolInvocation, User
from tools.results import MOST_RESULT_BYTES, as_text, shortened

logger = structlog.get_logger(__name__)

Decision = Literal["approve", "reject"]
Status = ToolInvocation.Status
Waits = ToolInvocation.Waits

ARGUMENT_BYTES = 65_536
REASON_CHARACTERS = 1000
SHOWN_BYTES = 65_536
"""What of a result the model is given."""

REFUSED = "A person was asked whether this may be run, and said no. It was not run; do not ask for it again as it is."
SAID = " Their reason: {reason}"


def visible(user: User, key: UUID) -> ToolInvocation:
    """
    Raises:
        NotFound: absent or not this user's.
    """
    found = ToolInvocation.objects.visible_to(user).filter(pk=key).first()
    if found is None:
        raise NotFound
    return found


def decide(
    user: User,
    key: UUID,
    decision: Decision,
    office: Office,
    *,
    arguments: dict[str, Any] | None = None,
    reason: str = "",
) -> ToolInvocation:
    """Approved it is run, with `arguments` instead of the model's where they are given; rejected, the model is told
    why. The same decision twice is made once.

    Raises:
        NotFound: absent or not this user's.
        AlreadyDecided: otherwise before, too late, or it does not wait for a decision.
        InvalidRequest: the arguments are none that the tool takes, or the reason is too long.
        TooLarge: the arguments have more than 64 kB.
    """
    invocation = visible(user, key)
    reason = _checked_reason(reason)
    edited = _edited(user, invocation, decision, arguments)
    values: dict[str, Any] = {"decision": decision, "reason": reason}
    if decision == "approve":
        values |= {"status": Status.PENDING, "edited_arguments": edited, "deadline_at": None}
    else:
        words = REFUSED + (SAID.format(reason=reason) if reason else "")
        values |= {"status": Status.REJECTED, "result": words, "finished_at": Now()}

    def same(now: ToolInvocation) -> bool:
        return now.decision == decision and now.edited_arguments == edited

    return _answer(user, invocation, Waits.APPROVAL, values, office, same=same, decision=decision)


def answer(
    user: User, key: UUID, office: Office, *, result: Any = None, error: str | None = None
) -> ToolInvocation:
    """What came of a tool that the caller runs itself: its result, or in words why there is none. The same answer
    twice is given once.

    Raises:
        NotFound: absent or not this user's.
        AlreadyDecided: answered otherwise before, too late, or it does not wait for its caller.
        TooLarge: more than 1 MB.
    """
    invocation = visible(user, key)
    whole = as_text(result if error is None else error)
    if len(whole.encode()) > MOST_RESULT_BYTES:
        raise TooLarge("A result may have 1 MB at most.", field="result" if error is None else "error")
    judged = judged_result(invocation, whole)
    whole = judged.text
    shown = shortened(whole, SHOWN_BYTES)
    values: dict[str, Any] = {
        "status": Status.SUCCEEDED if error is None and not judged.withheld else Status.FAILED,
        "result": whole,
        "shown": shown if shown != whole else "",
        "finished_at": Now(),
    }

    def same(now: ToolInvocation) -> bool:
        return (now.kind, now.status, now.result) == (ToolInvocation.Kind.CLIENT, values["status"], whole)

    return _answer(
        user, invocation, Waits.CLIENT, values, office, same=same, decision="answer", judged=judged
    )


def _answer(
    user: User,
    invocation: ToolInvocation,
    waits_for: Waits,
    values: dict[str, Any],
    office: Office,
    *,
    same: Callable[[ToolInvocation], bool],
    decision: str,
    judged: Judged | None = None,
) -> ToolInvocation:
    with transaction.atomic():
        # The run's row first, as whoever parks it: it sees this answer, or this sees that it is parked.
        if not Run.objects.select_for_update().filter(pk=invocation.run_id).values_list("pk"):
            raise NotFound
        answered = ToolInvocation.objects.answer(
            invocation.pk,
            waits_for=waits_for,
            tell=office.tell_invocations,
            decided_by=user,
            decided_at=Now(),
            **values,
        )
        now = visible(user, invocation.pk)
        if not answered:
            if same(now):
                return now
            raise AlreadyDecided(_why_not(now, waits_for))
        if judged is not None:
            judged.write()
        woken = Run.objects.wake(now.run_id)
        transaction.on_commit(lambda: _tell(office, user, now, decision, woken=woken))
    logger.info(
        "invocation decided", invocation=str(now.pk), tool=now.name, user=str(user.pk), decision=decision
    )
    return now


def _tell(office: Office, user: User, invocation: ToolInvocation, decision: str, *, woken: bool) -> None:
    if woken:
        office.woken(invocation.run_id)
    else:
        office.tool_changed(str(invocation.run_id))
    fields = {
        "invocation": str(invocation.pk),
        "run": str(invocation.run_id),
        "conversation": str(invocation.conversation_id),
        "decision": decision,
    }
    office.announce(user.pk, "invocation.decided", fields)


def _why_not(now: ToolInvocation, waits_for: Waits) -> str:
    if now.decision:
        return f"This has been decided already: {now.decision}."
    if now.status in (Status.WAITING, Status.TIMED_OUT) and now.waits_for in ("", waits_for):
        return "That comes too late: nobody answered in time."
    if now.ended:
        return f"This has its result already: {now.status}."
    return "This does not wait for that."


def _checked_reason(reason: str) -> str:
    reason = clean(reason).replace("\0", "").strip()
    if len(reason) > REASON_CHARACTERS:
        raise InvalidRequest("A reason has 1,000 characters at most.", field="reason")
    return reason


def _edited(
    user: User, invocation: ToolInvocation, decision: Decision, arguments: dict[str, Any] | None
) -> str:
    """As they are stored; "" where they are as the model wrote them."""
    if arguments is None or arguments == read_arguments(invocation.arguments):
        return ""
    if decision == "reject":
        raise InvalidRequest("Arguments belong to an approval.", field="arguments")
    try:
        edited = msgspec.json.encode(clean_json(arguments)).decode()
    except RecursionError:
        raise InvalidRequest("The arguments are nested too deeply.", field="arguments") from None
    if len(edited.encode()) > ARGUMENT_BYTES:
        raise TooLarge("Arguments may have 64 kB at most.", field="arguments")
    if wrong := argument_errors(invocation.name, invocation.kind, edited, user):
        raise InvalidRequest(wrong, field="arguments")
    return edited
