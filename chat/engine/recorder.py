"""What a run leaves in the database: partial text about once a second, and its end before it is announced.

Plain functions for the database's threads; the async side hands them values, never live state.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

import msgspec
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from chat.engine.billed import close_left_open, recount
from chat.engine.rules_in_force import write_hits
from chat.events.fold import Part, StepState
from chat.exceptions import StaleEpoch
from chat.models import Conversation, Message, ModelCall, ModerationHit, Run, ToolInvocation, User
from chat.models.tools import TellInvocations, tell_nobody
from chat.models.usage import LOST
from chat.usage.ledger import write_calls
from chat.usage.reservations import settle

T = TypeVar("T")


class Partial(msgspec.Struct, frozen=True):
    """A run as far as it has come."""

    run: str
    epoch: int
    message: str
    last_seq: int
    steps: list[StepState]


class CallRecord(msgspec.Struct, frozen=True):
    """A ledger row: the columns of `ModelCall`."""

    columns: dict[str, Any]


class Ending(msgspec.Struct, frozen=True):
    """How a run ended: columns of `Run`, and the message's final parts."""

    run: str
    epoch: int
    message: str
    conversation: UUID
    user: UUID
    model: str
    """`provider/model` that wrote it."""
    steps: list[StepState]
    columns: dict[str, Any]
    calls: Sequence[CallRecord]
    finished_at: datetime
    hits: Sequence[ModerationHit] = ()
    """What rules of moderation have found in it."""
    counted: bool = True
    """False: its columns do not say what it used; the ledger's rows do."""


TellEnd = Callable[[Ending], object]
"""Called inside the transaction that ends a run, with what it writes: whoever wants to know of ends writes that down
there, or fails with all of it."""


# Raw, because the ORM has no executemany for updates. Fenced twice: a stale epoch must not write, and a partial that
# was on its way when the run ended must not overwrite the end. The run's row comes first, so that it is locked first.
SAVE_RUN = (
    "UPDATE chat_run SET last_seq = %s, steps = %s WHERE id = %s AND epoch = %s AND finished_at IS NULL"
)
SAVE_MESSAGE = (
    "UPDATE chat_message SET parts = %s WHERE id = %s AND EXISTS "
    "(SELECT 1 FROM chat_run WHERE chat_run.id = %s AND chat_run.epoch = %s AND chat_run.finished_at IS NULL)"
)


def stored_parts(steps: Sequence[StepState]) -> list[Part]:
    return [part for step in steps for part in step.parts]


def stored_steps(steps: Sequence[StepState]) -> list[dict[str, Any]]:
    """Where the steps begin and end among the stored parts, and their notes."""
    return [
        {"step": step.step, "finished": step.finished, "parts": len(step.parts)}
        | ({"notes": step.notes} if step.notes else {})
        for step in steps
    ]


def restored_steps(stored: Sequence[dict[str, Any]], parts: Sequence[Part]) -> list[StepState]:
    """The inverse of `stored_parts` and `stored_steps`."""
    steps = []
    start = 0
    for step in stored:
        end = start + step["parts"]
        notes = list(step.get("notes", ()))
        steps.append(StepState(step["step"], step["finished"], list(parts[start:end]), notes))
        start = end
    return steps


def _unanswered(steps: Sequence[StepState]) -> list[UUID]:
    """Calls without a result: of a run that has ended nobody waits for one."""
    parts = [part for step in steps for part in step.parts if "invocation" in part]
    answered = {part["invocation"] for part in parts if part["type"] == "tool_result"}
    return [UUID(part["invocation"]) for part in parts if part["invocation"] not in answered]


class StepEnding(msgspec.Struct, frozen=True):
    """A step after which the run goes on: its parts, its calls upstream, and the tools that it has asked for."""

    run: str
    epoch: int
    message: str
    last_seq: int
    steps: list[StepState]
    calls: Sequence[CallRecord]
    invocations: Sequence[ToolInvocation]
    hits: Sequence[ModerationHit] = ()


class Holding(msgspec.Struct, frozen=True):
    """What the rows say of runs that are being made here."""

    lost: list[str]
    """Claimed by somebody else since, or deleted: their writers must stop."""
    stopped: dict[str, datetime]
    """Asked to stop, and when: the net under hints that got lost."""


def save_partials(partials: Sequence[Partial]) -> None:
    """Writes all of them in one transaction, each only where its epoch still holds and it has not ended."""
    # In one order, so that two processes, of which one does not know yet what it has lost, cannot lock each other out.
    partials = sorted(partials, key=lambda partial: partial.run)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.executemany(
            SAVE_RUN,
            [(p.last_seq, _json(stored_steps(p.steps)), _key(p.run), p.epoch) for p in partials],
        )
        cursor.executemany(
            SAVE_MESSAGE,
            [(_json(stored_parts(p.steps)), _key(p.message), _key(p.run), p.epoch) for p in partials],
        )


def look_after(epochs: Mapping[str, int]) -> Holding:
    """`epochs`: run to the epoch under which it is made here."""
    rows = Run.objects.filter(pk__in=list(epochs)).values_list("pk", "epoch", "stop_requested_at")
    found = {str(key): (epoch, asked_at) for key, epoch, asked_at in rows}
    return Holding(
        lost=[run for run, epoch in epochs.items() if found.get(run, (0, None))[0] != epoch],
        stopped={run: asked_at for run, (_, asked_at) in found.items() if asked_at is not None},
    )


def save_ending(
    ending: Ending, *, tell: TellEnd | None = None, tell_invocations: TellInvocations = tell_nobody
) -> None:
    """The message, the run's terminal state, the ledger rows, and what is told of all this, all or nothing; a second
    time as once, where the line broke at the commit.

    Raises:
        StaleEpoch: somebody else has claimed the run since; nothing was written.
    """
    with transaction.atomic():
        # Conversation, run, message: whoever locks several rows takes them in this order.
        Conversation.objects.filter(pk=ending.conversation).update(updated_at=ending.finished_at)
        is_first = _end_run(ending)
        Message.objects.filter(pk=ending.message).update(parts=stored_parts(ending.steps), model=ending.model)
        if unanswered := _unanswered(ending.steps):
            ToolInvocation.objects.cancel(unanswered, tell=tell_invocations)
        if tell is not None and is_first:
            tell(ending)
        write_hits(ending.hits)
        write_calls(call.columns for call in ending.calls)
        if not ending.counted:
            close_left_open(UUID(ending.run))
        if not ending.counted or ending.epoch > 1:
            # Whoever made it before may have written something since this epoch has counted.
            recount(UUID(ending.run))
        settle(UUID(ending.run), epoch=ending.epoch, now=ending.finished_at)


def _end_run(ending: Ending) -> bool:
    """False: it has ended before, by this same epoch."""
    columns = ending.columns | {
        "steps": stored_steps(ending.steps),
        "finished_at": ending.finished_at,
        "model_name": ending.model,
    }
    mine = Run.objects.filter(pk=ending.run, epoch=ending.epoch)
    if mine.filter(finished_at=None).update(**columns):
        return True
    Run.objects.write(UUID(ending.run), epoch=ending.epoch, **columns)
    return False


def save_step(ending: StepEnding, *, tell: TellInvocations = tell_nobody) -> None:
    """All or nothing; a second time as once, where the line broke at the commit. `tell` hears of invocations that
    begin by waiting for somebody, or have their result already.

    Raises:
        StaleEpoch: somebody else has claimed the run since; nothing was written.
    """
    try:
        _save_step(ending, tell)
    except IntegrityError:
        keys = [row.pk for row in ending.invocations]
        if ToolInvocation.objects.filter(pk__in=keys).count() != len(keys):
            raise
        # All of it was written, and told, by the first time.


def _save_step(ending: StepEnding, tell: TellInvocations) -> None:
    with transaction.atomic():
        Run.objects.write(
            UUID(ending.run),
            epoch=ending.epoch,
            steps=stored_steps(ending.steps),
            last_seq=ending.last_seq,
            takeovers=0,
        )
        Message.objects.filter(pk=ending.message).update(parts=stored_parts(ending.steps))
        ToolInvocation.objects.bulk_create(ending.invocations)
        if known := [row.pk for row in ending.invocations if row.status == "waiting" or row.ended]:
            tell(known)
        write_hits(ending.hits)
        write_calls(call.columns for call in ending.calls)
        settle(UUID(ending.run), epoch=ending.epoch, now=timezone.now())


def park(partial: Partial, worked_seconds: float) -> bool:
    """The run waits for somebody outside, and is nobody's. False: somebody has just answered, or wants it stopped.
    `worked_seconds` it has been made so far, by all who did.

    Raises:
        StaleEpoch: somebody else has claimed the run since; nothing was written.
    """
    with transaction.atomic():
        # Whoever answers takes the run's row first, too.
        held = Run.objects.select_for_update().filter(pk=partial.run, epoch=partial.epoch).first()
        if held is None or held.finished_at is not None:
            raise StaleEpoch
        if held.stop_requested_at is not None:
            return False
        asked = ToolInvocation.objects.filter(run=UUID(partial.run)).open()
        if asked.exclude(status=ToolInvocation.Status.WAITING).exists() or not asked.exists():
            return False
        Run.objects.write(
            UUID(partial.run),
            epoch=partial.epoch,
            status=Run.Status.WAITING,
            node=None,
            takeovers=0,
            worked_ms=round(worked_seconds * 1000),
            steps=stored_steps(partial.steps),
            last_seq=partial.last_seq,
        )
        Message.objects.filter(pk=partial.message).update(parts=stored_parts(partial.steps))
    return True


def is_gone(run: str) -> bool:
    return not Run.objects.filter(pk=run).exists()


def save_calls_alone(calls: Sequence[CallRecord]) -> None:
    """Ledger rows without their run's end: it has not ended, or is not ours any more; what they name may be gone."""
    if not calls:
        return
    try:
        _save_calls_without_what_is_gone(calls)
    except IntegrityError:  # deleted since we have looked
        _save_calls_without_what_is_gone(calls)


@transaction.atomic
def _save_calls_without_what_is_gone(calls: Sequence[CallRecord]) -> None:
    named = calls[0].columns
    # Locked, so that whoever ends the run counts these rows, or has ended it before they are written.
    held = Run.objects.select_for_update().filter(pk=named["run_id"])
    run = held.values_list("epoch", "finished_at").first()
    tables = (("conversation_id", Conversation), ("user_id", User))
    gone = {name: None for name, table in tables if not table.objects.filter(pk=named[name]).exists()}
    if run is None:
        gone["run_id"] = None
    rows = [{**call.columns, **gone} for call in calls]
    if run is not None and run[0] > named["epoch"]:
        rows = _in_place_of_lost(rows)
    write_calls(rows)
    if run is not None and run[1] is not None:
        recount(named["run_id"])
    if run is None or run[0] > named["epoch"] or run[1] is not None:
        # Whoever goes on with it has set aside for itself.
        settle(named["run_id"], epoch=named["epoch"], now=timezone.now())


def _in_place_of_lost(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Whoever took the run over may have written a row for an attempt whose key it did not know."""
    lost = ModelCall.objects.filter(run=rows[0]["run_id"], epoch=rows[0]["epoch"], outcome=LOST)
    standing = {(step, attempt): key for key, step, attempt in lost.values_list("pk", "step", "attempt")}
    return [{**row, "id": standing.get((row["step"], row["attempt"]), row["id"])} for row in rows]


def note_calls(calls: Sequence[CallRecord]) -> None:
    """Rows of calls under way. What is there already, or has ended since, stays as it is."""
    named = {call.columns["run_id"] for call in calls}
    there = set(Run.objects.filter(pk__in=named).values_list("pk", flat=True))
    write_calls(call.columns for call in calls if call.columns["run_id"] in there)


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _key(key: str) -> Any:
    """A UUID as the database's driver wants it in raw SQL."""
    return UUID(key) if connection.features.has_native_uuid_field else UUID(key).hex
