"""The rows of a step's tool invocations, for the database's threads: written with it, looked at while they run."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from django.db import transaction
from django.db.models import Case, Value, When
from django.db.models.functions import Now
from django.utils import timezone
from msgspec import UNSET, Struct, UnsetType

from chat.engine.database import is_unavailable
from chat.engine.loop import AskedCall, read_arguments
from chat.engine.neighbours import gone
from chat.engine.offered_tools import seconds_of
from chat.engine.plan import LoopLimits, OfferedTool, RunPlan
from chat.events.run_events import FileFacts
from chat.llm.dialects.text import clean_json
from chat.models import Attachment, Run, ToolInvocation
from chat.models.tools import TellInvocations

logger = structlog.get_logger(__name__)

Status = ToolInvocation.Status
Waits = ToolInvocation.Waits

UNKNOWN_TOOL = "There is no tool called {name!r}. There are: {names}."
LATE = "Nobody answered in time."
HUNG = "The tool did not finish in the time it has, and was left behind."
LOST = (
    "The tool was interrupted: the worker that ran it died. Nobody knows what it had done by then, so find that out "
    "before calling it again."
)
LOST_AGAIN = "The tool was interrupted {count} times: each worker that ran it died. It is not run again."


class Seen(Struct, frozen=True):
    """An invocation as its row stands."""

    id: str
    position: int
    call_id: str
    opaque: Any
    name: str
    kind: str
    queue: str
    arguments: str
    """As the model wrote them."""
    edited: str
    """As somebody has approved them instead; "" where they stayed as they were."""
    status: str
    waits_for: str
    attempts: int
    epoch: int
    fraction: float | None
    note: str
    result: str
    """What the model is given."""
    dispatched: bool
    due: bool
    """May be given out now."""
    late: bool
    lost: bool
    """Whoever runs it does not live any more."""
    duration_ms: int
    seconds: float | None
    """Of one of our tools that is to be given out: what it has for its work, as that is set now."""
    files: list[FileFacts] | UnsetType = UNSET
    """That were kept of the attempt whose result is recorded."""

    @property
    def ended(self) -> bool:
        return self.status not in ("pending", "waiting", "running")


def rows_of(
    plan: RunPlan, step: int, calls: Sequence[AskedCall], tools: Mapping[str, OfferedTool], now: datetime
) -> list[ToolInvocation]:
    """What a step has asked for, to be written with it. What cannot be run has its result already."""
    rows = []
    names: set[str] = set()
    for position, call in enumerate(calls):
        row = ToolInvocation(
            id=UUID(call.invocation),
            user_id=plan.user,
            conversation_id=plan.conversation,
            run_id=UUID(plan.run),
            step=step,
            position=position,
            call_id=_unlike(call.id[:190] or call.invocation, names),
            opaque=call.opaque,
            name=call.name[:200],
            arguments=call.arguments,
            kind=ToolInvocation.Kind.NONE,
            created_at=now,
        )
        _begin(row, tools.get(call.name), tools, plan.loop, now)
        rows.append(row)
    return rows


def _begin(
    row: ToolInvocation,
    tool: OfferedTool | None,
    tools: Mapping[str, OfferedTool],
    limits: LoopLimits,
    now: datetime,
) -> None:
    if tool is None:
        row.status, row.finished_at = Status.FAILED, now
        row.result = UNKNOWN_TOOL.format(name=row.name[:64], names=", ".join(tools) or "none")
        return
    row.kind, row.queue, row.webhook_tool_id = ToolInvocation.Kind(tool.kind), tool.queue, tool.webhook
    if tool.needs_approval:
        row.status, row.waits_for = Status.WAITING, Waits.APPROVAL
        row.deadline_at = now + timedelta(seconds=limits.approval_seconds)
    elif tool.kind == "client":
        row.status, row.waits_for = Status.WAITING, Waits.CLIENT
        row.deadline_at = now + timedelta(seconds=tool.seconds)


def _unlike(call_id: str, names: set[str]) -> str:
    """Some providers give every call of a step the same id."""
    name, number = call_id, 2
    while name in names:
        name, number = f"{call_id}_{number}", number + 1
    names.add(name)
    return name


def look(run: str, step: int, *, birth: str = "", lease_seconds: float | None = None) -> list[Seen]:
    """In the order in which the model asked for them.

    Workers are lost when their node has stopped, was not heard of for a lease, or when this machine, on which we are
    `birth`, does not know their process any more. Our own process lives, whatever the database has heard of it.
    """
    now = timezone.now()
    rows = list(ToolInvocation.objects.of_step(UUID(run), step).with_life(lease_seconds))
    running = {row.worker_birth for row in rows if row.status == Status.RUNNING}
    dead = set(gone(running - {"", birth}, birth))
    done = [row.pk for row in rows if row.status == Status.SUCCEEDED and row.kind == row.Kind.LOCAL]
    files = Attachment.objects.of_results(done)
    return [_seen(row, now, lost=_is_lost(row, birth, dead), files=files.get(row.pk, ())) for row in rows]


def _is_lost(row: Any, birth: str, dead: set[str]) -> bool:
    if row.status != Status.RUNNING or row.kind == ToolInvocation.Kind.CLIENT:
        return False
    is_ours = bool(birth) and row.worker_birth == birth
    return not is_ours and (not row.lives or row.worker_birth in dead)


def known(keys: Sequence[str]) -> dict[str, Seen]:
    """By key; for what is said again to a model."""
    now = timezone.now()
    return {str(row.pk): _seen(row, now) for row in ToolInvocation.objects.filter(pk__in=keys)}


def _seen(
    row: ToolInvocation, now: datetime, *, lost: bool = False, files: Sequence[Attachment] = ()
) -> Seen:
    is_to_run = row.status == Status.PENDING and row.kind == ToolInvocation.Kind.LOCAL
    return Seen(
        id=str(row.pk),
        position=row.position,
        call_id=row.call_id,
        opaque=row.opaque,
        name=row.name,
        kind=row.kind,
        queue=row.queue,
        arguments=row.arguments,
        edited=row.edited_arguments,
        status=row.status,
        waits_for=row.waits_for,
        attempts=row.attempts,
        epoch=row.epoch,
        fraction=row.fraction,
        note=row.note,
        result=row.for_model,
        dispatched=row.dispatched_at is not None,
        due=row.due_at is None or row.due_at <= now,
        lost=lost,
        late=row.deadline_at is not None and row.deadline_at <= now and row.status in ("waiting", "running"),
        duration_ms=row.took_ms or 0,
        seconds=seconds_of(row.name) if is_to_run else None,
        files=[FileFacts(str(file.pk), file.name, file.media_type, file.size) for file in files] or UNSET,
    )


def give_out(keys: Sequence[str], *, user: UUID, most: int) -> frozenset[str]:
    """They are on their way to a worker. As many as the user may have there at once, and which ones those are; two
    answers that look at the same moment may have a few more."""
    with transaction.atomic():
        at_work = ToolInvocation.objects.at_a_worker().filter(user=user).exclude(pk__in=keys).count()
        chosen = keys[: max(0, most - at_work)]
        pending = ToolInvocation.objects.filter(pk__in=chosen, status=Status.PENDING)
        # In one order, as whoever ends them.
        held = pending.select_for_update().order_by("pk").values_list("pk", flat=True)
        ToolInvocation.objects.filter(pk__in=list(held)).update(dispatched_at=Now())
    return frozenset(chosen)


def give_up_late(keys: Sequence[str], *, tell: TellInvocations) -> None:
    """Those whose time is over get no other result any more."""
    late = ToolInvocation.objects.filter(
        pk__in=keys, status__in=(Status.WAITING, Status.RUNNING), deadline_at__lte=timezone.now()
    )
    words = Case(When(status=Status.RUNNING, then=Value(HUNG)), default=Value(LATE))
    late.end(result=words, status=Status.TIMED_OUT, tell=tell)


def take_from_the_dead(lost: Sequence[Seen], again: Collection[str], *, tell: TellInvocations) -> None:
    """Those whose worker died are to be given out again, or end as `unknown`. `again`: the keys that may be run anew.

    Each under the epoch it was seen with: a result that came meanwhile stands.
    """
    for one in lost:
        if one.id in again:
            moved = ToolInvocation.objects.put_back(UUID(one.id), epoch=one.epoch)
        else:
            words = LOST if one.attempts == 1 else LOST_AGAIN.format(count=one.attempts)
            moved = ToolInvocation.objects.finish(
                UUID(one.id), epoch=one.epoch, status=Status.UNKNOWN, result=words, tell=tell
            )
        if moved:
            logger.warning("tool lost its worker", invocation=one.id, tool=one.name, again=one.id in again)


def wake_late(most: int, *, tell: TellInvocations) -> int:
    """Waiting ones whose time is over, whoever has parked their runs; those go on. How many runs were woken."""
    runs = list(ToolInvocation.objects.late().order_by("deadline_at").values_list("run", flat=True)[:most])
    return sum(_woken(run, tell) for run in dict.fromkeys(runs))


def _woken(run: UUID, tell: TellInvocations) -> bool:
    try:
        return _wake_late(run, tell)
    except Exception as error:
        if is_unavailable(error):
            raise
        # Neither the others that are late nor the runs that nobody makes shall wait because of this one.
        logger.exception("run cannot be woken", run=str(run))
        return False


@transaction.atomic
def _wake_late(run: UUID, tell: TellInvocations) -> bool:
    # The run first, as everybody who answers. A row that is locked is found again at the next pass.
    if not Run.objects.select_for_update(skip_locked=True).filter(pk=run).values_list("pk"):
        return False
    late = ToolInvocation.objects.late().filter(run=run)
    late.end(status=Status.TIMED_OUT, result=LATE, tell=tell)
    return Run.objects.wake(run)


def cancel(keys: Sequence[str], *, tell: TellInvocations) -> int:
    return ToolInvocation.objects.cancel([UUID(key) for key in keys], tell=tell)


def shown_arguments(seen: Seen) -> Any:
    """For viewers, and with what is done about them."""
    return clean_json(read_arguments(seen.edited or seen.arguments))
