"""A worker's side of a tool invocation: claim it, run the tool, record the one result. Knows no Celery."""

import os
import threading
import time
from collections.abc import Callable
from uuid import UUID

import structlog
from django.db import Error, connection
from msgspec.structs import replace

from chat.engine.moderated_results import Judged, judged_note, judged_result
from chat.engine.neighbours import birth_of
from chat.engine.offered_tools import caller_of, tool_named
from chat.engine.plan import LoopLimits
from chat.engine.storing import insist
from chat.engine.tool_watch import MOST_ATTEMPTS
from chat.models import LateResult, ToolInvocation
from chat.models.beside import beside_the_loop
from chat.models.tools import TellInvocations, tell_nobody
from tools import runner
from tools.base import Tool
from tools.conf import site_cache
from tools.context import Caller, Files, ToolContext
from tools.exceptions import UnknownTool
from tools.results import MOST_RESULT_BYTES, as_text, shortened
from tools.runner import ToolOutcome

logger = structlog.get_logger(__name__)

TELL_SECONDS = 0.1
"""Between two notes of progress. What comes sooner is held; it is told if nothing comes instead of it."""
SILENT_SECONDS = 0.05
"""So much later it is told although the tool says nothing more."""
LOOK_SECONDS = 0.5
"""How late a tool hears that it was stopped."""
HANG_SECONDS = 3.0
"""After a tool's time is up, in which it may still say so itself; then nobody waits for it any more."""
PAUSE_SECONDS = 1.0
"""Before the second attempt of a tool that was unavailable; doubled for the third."""
MOST_PAUSE_SECONDS = 30.0
GONE = "Nothing was run: {name} was switched off, or taken from this user, after it was called. {error}"
TOO_LARGE = (
    "The tool's result is too large: {size} bytes, and at most {most} are taken. Ask for less at once."
)


class Line:
    """Between a running tool and its row: progress out, stop in. Called from the tool's thread, often."""

    def __init__(
        self,
        invocation: ToolInvocation,
        epoch: int,
        *,
        told: Callable[[], None],
        clock: Callable[[], float],
    ) -> None:
        self._invocation = invocation
        self._key = invocation.pk
        self._epoch = epoch
        self._told = told
        self._clock = clock
        self._told_at = float("-inf")
        self._looked_at = clock()
        self._cancelled = False
        self._turn = threading.Lock()
        self._held: tuple[float | None, str] | None = None
        self._timer: threading.Timer | None = None

    def report(self, fraction: float | None, note: str) -> None:
        with self._turn:
            early = self._told_at + TELL_SECONDS - self._clock()
            if early <= 0 or fraction == 1:
                self._tell_now(fraction, note)
                return
            self._held = (fraction, note)
            if self._timer is None:
                # Whoever tells more is soon here again, and needs no other thread and connection.
                self._timer = threading.Timer(early + SILENT_SECONDS, self._tell_held)
                self._timer.daemon = True
                self._timer.start()

    def close(self) -> None:
        """The tool has ended: how far it was is no news any more."""
        with self._turn:
            self._let_go()

    def _tell_held(self) -> None:
        try:
            with self._turn:
                if self._held is not None:
                    self._tell_now(*self._held)
        finally:
            connection.close()  # this thread's own

    def _let_go(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._held = None

    def _tell_now(self, fraction: float | None, note: str) -> None:
        self._let_go()
        self._told_at = self._looked_at = self._clock()
        try:
            self._cancelled = not beside_the_loop(lambda: self._write(fraction, note))
        except Error as error:  # the tool goes on: its result is what counts
            logger.warning("progress not written", invocation=str(self._key), reason=str(error))
            return
        self._told()

    def _write(self, fraction: float | None, note: str) -> bool:
        return ToolInvocation.objects.write(
            self._key,
            epoch=self._epoch,
            fraction=fraction,
            note=judged_note(self._invocation, as_text(note)),
        )

    def is_cancelled(self) -> bool:
        now = self._clock()
        if not self._cancelled and now - self._looked_at >= LOOK_SECONDS:
            self._looked_at = now
            try:
                ours = ToolInvocation.objects.filter(pk=self._key, epoch=self._epoch, status="running")
                self._cancelled = not beside_the_loop(ours.exists)
            except Error as error:
                logger.warning("nobody knows whether a tool was stopped", reason=str(error))
        return self._cancelled


def work(
    key: UUID,
    *,
    node: UUID | None,
    told: Callable[[str], None],
    files_of: Callable[[ToolInvocation, int], Files],
    tell: TellInvocations = tell_nobody,
    interrupts: tuple[type[BaseException], ...] = (),
    approval_seconds: float = LoopLimits().approval_seconds,
    clock: Callable[[], float] = time.monotonic,
) -> str:
    """How it ended; "" where there was nothing to do, or somebody else has recorded the result; "waiting" where staff
    have said since it was asked for that a person must agree first.

    The tool is the one that there is now, with what staff have set by now. `told` is called with the run when a row of
    its has changed; `tell` within the transaction that records the result. `files_of` takes the files of an
    attempt: the invocation, and the epoch under which it is made. They are the user's when that attempt's result is the
    one that is recorded.
    """
    invocation = ToolInvocation.objects.select_related("user").filter(pk=key).first()
    if invocation is None or invocation.status != ToolInvocation.Status.PENDING:
        return ""
    caller = caller_of(invocation.user)
    tool, missing = _tool_of(invocation, caller)
    if tool is not None and tool.needs_approval and invocation.decision != "approve":
        held = ToolInvocation.objects.hold(key, seconds=approval_seconds, tell=tell)
        told(str(invocation.run_id))
        return "waiting" if held else ""
    epoch = ToolInvocation.objects.claim(
        key,
        node=node,
        birth=birth_of(os.getpid()),
        seconds=tool.timeout_seconds + HANG_SECONDS if tool is not None else HANG_SECONDS,
    )
    if epoch is None:
        return ""
    invocation.attempts += 1
    run = str(invocation.run_id)
    told(run)
    line = Line(invocation, epoch, told=lambda: told(run), clock=clock)
    context = ToolContext(
        invocation_id=str(key),
        caller=caller,
        report=line.report,
        is_cancelled=line.is_cancelled,
        files=files_of(invocation, epoch),
        cache=site_cache(),
    )
    if tool is None:
        outcome = runner.outcome_of(missing or UnknownTool())
    else:
        outcome = runner.run(tool, invocation.effective_arguments or "{}", context, interrupts=interrupts)
    line.close()
    if outcome.detail:
        logger.error("tool broke", tool=invocation.name, invocation=str(key), detail=outcome.detail)
    status = record(invocation, epoch, outcome, tool.retries if tool is not None else 0, tell)
    told(run)
    return status


def _tool_of(invocation: ToolInvocation, caller: Caller) -> tuple[Tool | None, UnknownTool | None]:
    """One of both: it may be gone since the model has called it, or not be this caller's any more."""
    try:
        return tool_named(invocation.name, caller), None
    except UnknownTool as error:
        return None, UnknownTool(GONE.format(name=invocation.name, error=error))


def record(
    invocation: ToolInvocation, epoch: int, outcome: ToolOutcome, retries: int, tell: TellInvocations
) -> str:
    """How it ended, "again" where it is to be given out once more, "" where somebody else has recorded the result."""
    pause = _pause_before_the_next(invocation, outcome, retries)
    if pause is not None and insist(
        lambda: ToolInvocation.objects.put_off(invocation.pk, epoch=epoch, seconds=pause)
    ):
        return "again"
    outcome, judged = _judged(invocation, _small_enough(outcome))
    if insist(lambda: _finish(invocation, epoch, outcome, tell) or _is_recorded(invocation, epoch, outcome)):
        insist(judged.write)
        return outcome.status
    logger.warning("late result of a tool not applied", invocation=str(invocation.pk), epoch=epoch)
    if outcome.status != "cancelled":
        insist(lambda: _keep_late(invocation, epoch, outcome))
    return ""


def _finish(invocation: ToolInvocation, epoch: int, outcome: ToolOutcome, tell: TellInvocations) -> bool:
    return ToolInvocation.objects.finish(
        invocation.pk,
        epoch=epoch,
        status=outcome.status,
        tell=tell,
        result=outcome.whole,
        shown=outcome.text if outcome.shortened else "",
    )


def _is_recorded(invocation: ToolInvocation, epoch: int, outcome: ToolOutcome) -> bool:
    """By ourselves: the line broke at the commit."""
    ours = ToolInvocation.objects.filter(pk=invocation.pk, epoch=epoch, status=outcome.status)
    return ours.filter(result=outcome.whole).exists()


def _keep_late(invocation: ToolInvocation, epoch: int, outcome: ToolOutcome) -> None:
    if ToolInvocation.objects.filter(pk=invocation.pk).exists():
        LateResult.objects.create(
            invocation=invocation, epoch=epoch, status=outcome.status, result=outcome.whole
        )


def _pause_before_the_next(invocation: ToolInvocation, outcome: ToolOutcome, retries: int) -> float | None:
    """None: this outcome is the result."""
    if not outcome.retryable or invocation.attempts > min(retries, MOST_ATTEMPTS - 1):
        return None
    asked = outcome.retry_after_seconds
    if asked is not None and asked > MOST_PAUSE_SECONDS:
        return None  # the model can do better than wait for so long
    return max(asked or 0.0, PAUSE_SECONDS * 2.0 ** (invocation.attempts - 1))


def _judged(invocation: ToolInvocation, outcome: ToolOutcome) -> tuple[ToolOutcome, Judged]:
    judged = judged_result(invocation, outcome.whole)
    if not judged.altered:
        return outcome, judged
    # Shortened anew: where it was cut before, half of what has to go may stand.
    text = shortened(judged.text, len(outcome.text.encode())) if outcome.shortened else judged.text
    status = "failed" if judged.withheld else outcome.status
    return replace(outcome, status=status, text=text, whole=judged.text), judged


def _small_enough(outcome: ToolOutcome) -> ToolOutcome:
    size = len(outcome.whole.encode())
    if size <= MOST_RESULT_BYTES:
        return outcome
    words = TOO_LARGE.format(size=size, most=MOST_RESULT_BYTES)
    return ToolOutcome("failed", words, words, "failed")
