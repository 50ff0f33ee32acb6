"""A worker's side of a tool invocation: claim it, run the tool, record the one result. Knows no Celery."""

import os
import time
from collections.abc import Callable
from uuid import UUID

import structlog
from django.core.cache import cache
from django.db import Error

from chat.engine.neighbours import birth_of
from chat.engine.offered_tools import caller_of, tool_named
from chat.models import ToolInvocation
from tools import runner
from tools.base import Tool
from tools.cache import DjangoCache
from tools.context import ToolContext
from tools.exceptions import ToolError
from tools.runner import ToolOutcome

logger = structlog.get_logger(__name__)

TELL_SECONDS = 0.1
"""Between two notes of progress; the last one always counts."""
LOOK_SECONDS = 0.5
"""How late a tool hears that it was stopped."""
MOST_ATTEMPTS = 3


class Line:
    """Between a running tool and its row: progress out, stop in. Called from the tool's thread, often."""

    def __init__(
        self, key: UUID, epoch: int, *, told: Callable[[], None], clock: Callable[[], float]
    ) -> None:
        self._key = key
        self._epoch = epoch
        self._told = told
        self._clock = clock
        self._told_at = float("-inf")
        self._looked_at = clock()
        self._cancelled = False

    def report(self, fraction: float | None, note: str) -> None:
        now = self._clock()
        if now - self._told_at < TELL_SECONDS and fraction != 1:
            return
        self._told_at = self._looked_at = now
        try:
            self._cancelled = not ToolInvocation.objects.write(
                self._key, epoch=self._epoch, fraction=fraction, note=note
            )
        except Error as error:  # the tool goes on: its result is what counts
            logger.warning("progress not written", invocation=str(self._key), reason=str(error))
            return
        self._told()

    def is_cancelled(self) -> bool:
        now = self._clock()
        if not self._cancelled and now - self._looked_at >= LOOK_SECONDS:
            self._looked_at = now
            try:
                ours = ToolInvocation.objects.filter(pk=self._key, epoch=self._epoch, status="running")
                self._cancelled = not ours.exists()
            except Error as error:
                logger.warning("nobody knows whether a tool was stopped", reason=str(error))
        return self._cancelled


def work(
    key: UUID,
    *,
    node: UUID | None,
    told: Callable[[str], None],
    interrupts: tuple[type[BaseException], ...] = (),
    clock: Callable[[], float] = time.monotonic,
) -> str:
    """How it ended; "" where there was nothing to do, or somebody else has recorded the result.

    `told` is called with the run when its row has changed.
    """
    epoch = ToolInvocation.objects.claim(key, node=node, birth=birth_of(os.getpid()))
    if epoch is None:
        return ""
    invocation = ToolInvocation.objects.select_related("user").get(pk=key)
    run = str(invocation.run_id)
    told(run)
    line = Line(key, epoch, told=lambda: told(run), clock=clock)
    caller = caller_of(invocation.user)
    context = ToolContext(
        invocation_id=str(key),
        caller=caller,
        report=line.report,
        is_cancelled=line.is_cancelled,
        cache=DjangoCache(cache, 3600.0),
    )
    tool: Tool | None = None
    try:
        tool = tool_named(invocation.name, caller)
        outcome = runner.run(tool, invocation.effective_arguments or "{}", context, interrupts=interrupts)
    except ToolError as error:
        outcome = runner.outcome_of(error)
    if outcome.detail:
        logger.error("tool broke", tool=invocation.name, invocation=str(key), detail=outcome.detail)
    status = _record(invocation, epoch, outcome, tool)
    told(run)
    return status


def _record(invocation: ToolInvocation, epoch: int, outcome: ToolOutcome, tool: Tool | None) -> str:
    again = outcome.retryable and tool is not None and invocation.attempts <= tool.retries
    if again and ToolInvocation.objects.write(
        invocation.pk, epoch=epoch, status=ToolInvocation.Status.PENDING, dispatched_at=None
    ):
        return "again"
    recorded = ToolInvocation.objects.finish(
        invocation.pk,
        epoch=epoch,
        status=outcome.status,
        result=outcome.whole,
        shown=outcome.text if outcome.shortened else "",
    )
    if not recorded:
        logger.warning("late result of a tool not applied", invocation=str(invocation.pk), epoch=epoch)
        return ""
    return outcome.status
