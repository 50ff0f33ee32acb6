"""What comes back from a model call: a closed set of deltas, the same for all dialects.

Order: `Started` first (at most once); content in the order it arrived; `ToolCallReady` only for streams
that end properly; at most one `UsageReported`, just before the end; exactly one `Finished` or `Failed`, last.
"""

from typing import Any

from msgspec import Struct
from msgspec.structs import asdict, replace

from chat.exceptions import ProviderError

MOST_TOKENS = 2**31 - 1
"""What one call can have; the ledger's columns hold no more."""


class Usage(Struct, frozen=True):
    """Tokens of one model call; None where the provider did not say.

    `input_tokens` includes cached and cache-write tokens, `output_tokens` includes reasoning tokens unless
    `reasoning_apart`: then the provider counts them beside the output, and the sum is what it bills.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None
    reasoning_apart: bool = False

    def together(self) -> "Usage":
        """The same with all that was written in `output_tokens`."""
        if not self.reasoning_apart:
            return self
        written = min((self.output_tokens or 0) + (self.reasoning_tokens or 0), MOST_TOKENS)
        return replace(self, output_tokens=written, reasoning_apart=False)

    def counters(self) -> dict[str, int | None]:
        """The five figures, by name."""
        figures = asdict(self)
        del figures["reasoning_apart"]
        return figures


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
    """Something the provider ran or made itself; `kind` is the wire's name.

    `raw` is to be stored and sent back unchanged, as `ServerItemPart.opaque`.
    """

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
