"""The closed set of run events, as they travel and as they are folded.

Field names and meanings are the protocol's (docs/reference/events.md). Money is a decimal string with its
currency, durations are milliseconds, invocation and message ids are UUIDv7 strings.
"""

from typing import Any, Literal

from msgspec import UNSET, Struct, UnsetType

RunStatus = Literal["queued", "running", "waiting", "completed", "stopped", "failed", "limit_reached"]
EndStatus = Literal["completed", "stopped", "failed", "limit_reached"]
ENDED: frozenset[str] = frozenset({"completed", "stopped", "failed", "limit_reached"})

FinishReason = Literal["stop", "length", "tool_calls", "content_filter", "pause", "error", "unknown"]
UsageSource = Literal["reported", "estimated", "unknown"]


class Money(Struct, frozen=True):
    amount: str
    currency: str


class UsageFigures(Struct, frozen=True):
    """Tokens; None where unknown. Input includes cached, output includes reasoning tokens."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None
    source: UsageSource = "unknown"


class ErrorFacts(Struct, frozen=True, omit_defaults=True):
    """An error as clients see it. `phase`: where a `provider_timeout` was met; `left_alone` or `switched_off` where a
    `provider_overloaded` is our own breaker's word."""

    code: str
    message: str
    retryable: bool
    retry_after_seconds: float | None = None
    phase: str | None = None
    resets_at: str | None = None
    """RFC 3339, in UTC: when a quota that is used up begins anew."""


class StopReceipt(Struct, frozen=True):
    """RFC 3339 times in UTC; `upstream_closed_at` is None where no upstream call was open."""

    requested_at: str
    upstream_closed_at: str | None
    usage_source: UsageSource


class _Event(Struct, frozen=True, tag_field="type"):
    pass


class RunStarted(_Event, frozen=True, tag="run.started"):
    model: str
    message: str


class RunSnapshot(_Event, frozen=True, tag="run.snapshot"):
    """`state`: {status, message, steps: [{step, finished, parts: [...]}], usage, cost}; replaces everything before."""

    state: dict[str, Any]


class StepStarted(_Event, frozen=True, tag="step.started"):
    step: int
    model: str


class TextDelta(_Event, frozen=True, tag="text.delta"):
    text: str


class ReasoningDelta(_Event, frozen=True, omit_defaults=True, tag="reasoning.delta"):
    """`opaque` belongs to the reasoning shown before it; it goes back to the provider unchanged."""

    text: str
    opaque: Any = None


class StepNote(_Event, frozen=True, omit_defaults=True, tag="step.note"):
    """Something about how this step was answered that its reader should know.

    `option_dropped`: the model refuses `option`, and was asked without it.
    `other_model`: `model` is asked because the one before, `instead_of`, ended in the error `reason`.
    """

    step: int
    kind: Literal["option_dropped", "other_model"]
    model: str
    option: str = ""
    instead_of: str = ""
    reason: str = ""


class RefusalDelta(_Event, frozen=True, tag="refusal.delta"):
    text: str


class Citation(_Event, frozen=True, tag="citation"):
    url: str
    title: str
    start: int | None = None
    end: int | None = None


class Image(_Event, frozen=True, tag="image"):
    attachment: str
    alt: str = ""


class ImageBox(_Event, frozen=True, tag="image.box"):
    attachment: str
    label: str
    box: tuple[float, float, float, float]
    start: int
    end: int


class ToolStarted(_Event, frozen=True, tag="tool.started"):
    invocation: str
    name: str


class ToolArgumentsDelta(_Event, frozen=True, tag="tool.arguments.delta"):
    invocation: str
    text: str


class ToolReady(_Event, frozen=True, tag="tool.ready"):
    invocation: str
    arguments: Any


class ToolWaiting(_Event, frozen=True, tag="tool.waiting", rename={"for_": "for"}):
    invocation: str
    for_: Literal["approval", "callback", "client"]


class ToolRunning(_Event, frozen=True, tag="tool.running"):
    invocation: str
    attempt: int


class ToolProgress(_Event, frozen=True, tag="tool.progress"):
    invocation: str
    fraction: float
    note: str = ""


class FileFacts(Struct, frozen=True):
    """A file that a tool has made, to be had at `/api/v1/attachments/{attachment}`."""

    attachment: str
    name: str
    media_type: str
    size: int


class ToolFinished(_Event, frozen=True, tag="tool.finished"):
    """`files`: those that were kept for this call, whatever its `result` says of files; absent where there are none."""

    invocation: str
    status: str
    result: Any
    duration_ms: int
    files: list[FileFacts] | UnsetType = UNSET


class RunRetrying(_Event, frozen=True, tag="run.retrying"):
    attempt: int
    wait_ms: int
    reason: str


class RunWaiting(_Event, frozen=True, tag="run.waiting"):
    """The call stands in a line; 1 is next, 0 is told when it has its turn."""

    place: int


class StepReset(_Event, frozen=True, tag="step.reset"):
    """Forget what this step has shown."""

    step: int
    reason: str


class StepFinished(_Event, frozen=True, tag="step.finished"):
    """`finish_reason` is None for a cut stream."""

    step: int
    finish_reason: FinishReason | None
    ttft_ms: int | None
    usage: UsageFigures
    cost: Money | None


class ModerationFlagged(_Event, frozen=True, tag="moderation.flagged"):
    rule: str
    action: str


class RunFinished(_Event, frozen=True, tag="run.finished"):
    """Exactly one, last. `cost` is None where no price is known."""

    status: EndStatus
    usage: UsageFigures
    cost: Money | None
    ttft_ms: int | None
    duration_ms: int
    tokens_per_second: float | None
    error: ErrorFacts | UnsetType = UNSET
    stop_receipt: StopReceipt | UnsetType = UNSET


RunEvent = (
    RunStarted
    | RunSnapshot
    | StepStarted
    | TextDelta
    | ReasoningDelta
    | RefusalDelta
    | Citation
    | Image
    | ImageBox
    | ToolStarted
    | ToolArgumentsDelta
    | ToolReady
    | ToolWaiting
    | ToolRunning
    | ToolProgress
    | ToolFinished
    | RunRetrying
    | RunWaiting
    | StepNote
    | StepReset
    | StepFinished
    | ModerationFlagged
    | RunFinished
)
