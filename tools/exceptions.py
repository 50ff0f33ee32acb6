"""How a tool may end other than well, sorted by what happens next. The text is for the model: plain words, no secrets.

A failure of a tool is a result like any other; the run goes on and the model reads what is wrong.
"""

from typing import ClassVar, Literal

Status = Literal["succeeded", "failed", "cancelled", "timed_out"]
Kind = Literal[
    "bad_arguments", "unknown_tool", "retry", "failed", "unavailable", "cancelled", "timed_out", "broken"
]


class ToolDefinitionError(Exception):
    """A tool, or an override of one, that cannot work as it is written. Found at the start, never during a run."""


class ToolError(Exception):
    """Root of what ends an invocation. Never raised itself."""

    status: ClassVar[Status] = "failed"
    kind: ClassVar[Kind] = "failed"
    retryable: ClassVar[bool] = False
    """The same call may succeed later, without anybody changing it."""
    message: ClassVar[str] = "The tool failed."

    def __init__(self, message: str = "", *, retry_after_seconds: float | None = None) -> None:
        super().__init__(message or self.message)
        self.retry_after_seconds = retry_after_seconds


# --- the model should call differently --------------------------------------------------------------


class ToolRetry(ToolError):
    """Other arguments would help; the text says which."""

    kind: ClassVar[Kind] = "retry"
    message = "Call the tool again with other arguments."


class BadArguments(ToolRetry):
    """They do not fit the tool's schema. Nothing was run."""

    kind = "bad_arguments"


class UnknownTool(ToolRetry):
    """There is no such tool for this caller: absent, switched off and not-yours look alike."""

    kind = "unknown_tool"


# --- nothing the model does would help --------------------------------------------------------------


class ToolFailed(ToolError):
    """Final."""


class ToolUnavailable(ToolError):
    """What the tool needs is away: the network, a service, a database."""

    kind = "unavailable"
    retryable = True
    message = "The tool is unavailable at the moment."


class ToolCancelled(ToolError):
    """Somebody pressed stop."""

    status = "cancelled"
    kind = "cancelled"
    message = "The tool was stopped before it had finished."


class ToolTimedOut(ToolError):
    status = "timed_out"
    kind = "timed_out"
    message = "The tool did not finish in the time it has."
