"""What comes back from a model call: a closed set of deltas, the same for all dialects.

Order: `Started` first (at most once); content in the order it arrived; `ToolCallReady` only for streams
that end properly; at most one `UsageReported`, just before the end; exactly one `Finished` or `Failed`, last.
"""

from typing import Any

from msgspec import Struct

from chat.exceptions import ProviderError


class Usage(Struct, frozen=True):
    """Tokens of one model call; None where the provider did not say.

    `input_tokens` includes cached and cache-write tokens, `output_tokens` includes reasoning tokens,
    whatever the provider's own convention.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None


class Started(Struct, frozen=True):
    upstream_id: str
    model: str


class TextDelta(Struct, frozen=True):
    text: str


class TextRevised(Struct, frozen=True):
    """All text of this call so far was not what the provider says it wrote: `text` replaces it. Rare."""

    text: str


class ReasoningDelta(Struct, frozen=True):
    """`opaque` (signature, encrypted content) is to be stored and sent back unchanged."""

    text: str
    opaque: Any = None


class RefusalDelta(Struct, frozen=True):
    text: str


class ToolCallStarted(Struct, frozen=True):
    """`slot` names the call within this model call."""

    slot: int
    id: str
    name: str


class ToolArgumentsDelta(Struct, frozen=True):
    slot: int
    text: str


class ToolCallReady(Struct, frozen=True):
    """`arguments` is the raw JSON string, `{}` where the model wrote nothing."""

    slot: int
    id: str
    name: str
    arguments: str
    opaque: Any = None


class CitationDelta(Struct, frozen=True):
    url: str
    title: str
    start: int | None = None
    end: int | None = None


class ImageDelta(Struct, frozen=True):
    """A whole image made by the model: base64 `data` or an https `url`."""

    media_type: str
    data: str = ""
    url: str = ""


class ServerItem(Struct, frozen=True):
    """Something the provider ran or made itself; kept for the next turn, `kind` is the wire's name."""

    kind: str
    raw: Any


class UsageReported(Struct, frozen=True):
    usage: Usage


class Finished(Struct, frozen=True):
    """`reason` is one of `stop, length, tool_calls, content_filter, pause, error, unknown`; `raw` the wire's word."""

    reason: str
    raw: str


class Failed(Struct, frozen=True):
    error: ProviderError


Delta = (
    Started
    | TextDelta
    | TextRevised
    | ReasoningDelta
    | RefusalDelta
    | ToolCallStarted
    | ToolArgumentsDelta
    | ToolCallReady
    | CitationDelta
    | ImageDelta
    | ServerItem
    | UsageReported
    | Finished
    | Failed
)
