"""Runs one call of one tool, here and now, and tells how it ended. It writes nothing down: that is the caller's."""

import asyncio
import traceback
from collections.abc import Coroutine
from typing import Any, Final

from msgspec import Struct

from tools.arguments import read_arguments
from tools.base import Tool
from tools.context import ToolContext
from tools.exceptions import Kind, Status, ToolCancelled, ToolError, ToolTimedOut
from tools.results import as_text, shortened

_LOOK_SECONDS: Final = 0.05
"""How often an `async def` tool is asked whether it was stopped."""
_GRACE_SECONDS: Final = 1.0
"""What a cancelled coroutine has to tidy up; then it is left behind."""


class ToolOutcome(Struct, frozen=True):
    """`text` is for the model, within the tool's limit; `whole` is to be kept. They differ where it was shortened."""

    status: Status
    text: str
    whole: str
    kind: Kind | None = None
    """None where it went well."""
    retryable: bool = False
    """The same call may succeed later; whether it is tried again is the tool's `retries`."""
    retry_after_seconds: float | None = None
    detail: str = ""
    """For staff: where a tool broke."""

    @property
    def shortened(self) -> bool:
        return self.text != self.whole


def run(
    tool: Tool, arguments: str, context: ToolContext, *, interrupts: tuple[type[BaseException], ...] = ()
) -> ToolOutcome:
    """Reads the arguments, calls the function in this thread, and turns what it returns into text.

    An `async def` runs on an event loop of its own, so this must not be called from within one. It is cancelled when
    its time is up or the context says so; a `def` is asked to stop wherever it calls the context.

    Args:
        arguments: JSON, as the model wrote it.
        interrupts: what the caller's machinery raises into a tool that has no more time, such as Celery's
            `SoftTimeLimitExceeded`.

    Raises:
        RuntimeError: an `async def` was called where an event loop runs.
    """
    if tool.is_async and asyncio._get_running_loop() is not None:
        raise RuntimeError(f"{tool.name} is async and needs a thread without an event loop.")
    try:
        given = read_arguments(tool, arguments)
        context = context.limited(tool.timeout_seconds)
        context.check()
        if tool.context_parameter:
            given[tool.context_parameter] = context
        result = tool(**given)
        whole = as_text(_awaited(result, context) if tool.is_async else result)
    except ToolError as error:
        return outcome_of(error, tool)
    except asyncio.CancelledError:
        return outcome_of(ToolCancelled(), tool)
    except interrupts:
        return outcome_of(ToolCancelled() if context.cancelled else ToolTimedOut(), tool)
    except Exception as error:  # noqa: BLE001  (a tool may be anybody's code; the run goes on)
        words = f"The tool {tool.name} broke: it ended with an error of its own ({type(error).__name__})."
        return ToolOutcome("failed", words, words, "broken", detail=traceback.format_exc())
    return ToolOutcome("succeeded", shortened(whole, tool.max_result_bytes), whole)


def outcome_of(error: ToolError, tool: Tool | None = None) -> ToolOutcome:
    """What the model is told of an error, also of one from before there was a tool."""
    whole = as_text(str(error))
    text = shortened(whole, tool.max_result_bytes) if tool else whole
    return ToolOutcome(error.status, text, whole, error.kind, error.retryable, error.retry_after_seconds)


def _awaited(coroutine: Coroutine[Any, Any, Any], context: ToolContext) -> Any:
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(_watched(coroutine, context))
    finally:
        _close(loop)


async def _watched(coroutine: Coroutine[Any, Any, Any], context: ToolContext) -> Any:
    task = asyncio.ensure_future(coroutine)
    while True:
        left = context.seconds_left()
        done, _ = await asyncio.wait({task}, timeout=min(_LOOK_SECONDS, max(0.0, left)))
        if done:
            return task.result()
        if context.cancelled or left <= 0:
            break
    task.cancel()
    await asyncio.wait({task}, timeout=_GRACE_SECONDS)
    if task.done() and not task.cancelled() and task.exception() is None:
        return task.result()  # it had just finished
    raise ToolCancelled if context.cancelled else ToolTimedOut


def _close(loop: asyncio.AbstractEventLoop) -> None:
    """Without waiting for threads that the tool has started: `asyncio.run` would, however long they hang."""
    try:
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        if left:
            loop.run_until_complete(asyncio.wait(left, timeout=_GRACE_SECONDS))
        loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        loop.close()
