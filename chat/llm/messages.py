"""What a dialect is asked to send: provider-neutral messages, tools and options."""

from typing import Any, Literal

from msgspec import Struct, field

Json = Any


class TextPart(Struct, frozen=True, tag="text"):
    text: str


class ReasoningPart(Struct, frozen=True, tag="reasoning"):
    """`opaque` goes back to the provider unchanged (signatures, encrypted reasoning).

    An opaque value says in its member `dialect` whose it is; to the others it means nothing. Signatures are one
    provider's: whoever asks another one leaves them out.
    """

    text: str
    opaque: Json = None


class RefusalPart(Struct, frozen=True, tag="refusal"):
    text: str


class ImagePart(Struct, frozen=True, tag="image"):
    """One of: `url` (https), `data` (raw bytes) with its `media_type`, `file_id` (the provider has it already)."""

    url: str = ""
    data: bytes = b""
    media_type: str = ""
    file_id: str = ""


class FilePart(Struct, frozen=True, tag="file"):
    """A file that is no image: `data` (raw bytes), `url` (https) or `file_id` (the provider has it already)."""

    name: str
    media_type: str = ""
    data: bytes = b""
    url: str = ""
    file_id: str = ""


class ToolCallPart(Struct, frozen=True, tag="tool_call"):
    """`arguments` is the raw JSON string as the model wrote it; `opaque` goes back unchanged."""

    id: str
    name: str
    arguments: str
    opaque: Json = None


class ToolResultPart(Struct, frozen=True, tag="tool_result"):
    id: str
    result: str
    failed: bool = False


class ServerItemPart(Struct, frozen=True, tag="server_item"):
    """Something the provider ran itself, such as a search: goes back unchanged in its place among the parts.

    `kind` is the wire's name of it, `opaque` a `ServerItem`'s `raw`.
    """

    kind: str
    opaque: Json


Part = (
    TextPart
    | ReasoningPart
    | RefusalPart
    | ImagePart
    | FilePart
    | ToolCallPart
    | ToolResultPart
    | ServerItemPart
)


class ChatMessage(Struct, frozen=True):
    role: Literal["user", "assistant"]
    parts: tuple[Part, ...]


class ToolSchema(Struct, frozen=True):
    """`parameters` is a JSON schema of type object."""

    name: str
    description: str
    parameters: dict[str, Json]


class Options(Struct, frozen=True):
    """None means: leave it out of the request.

    `reasoning_effort` is one of `none, minimal, low, medium, high, xhigh, max`; `tool_choice` is `auto`, `none`,
    `required` or a tool's name.
    """

    temperature: float | None = None
    max_output_tokens: int | None = None
    reasoning_effort: str | None = None
    tool_choice: str | None = None
    response_schema: dict[str, Json] | None = None


class ModelRequest(Struct, frozen=True):
    model: str
    messages: tuple[ChatMessage, ...]
    system: str = ""
    tools: tuple[ToolSchema, ...] = ()
    options: Options = Options()
    stream: bool = True
    capabilities: frozenset[str] = field(default_factory=frozenset)
    """What is known of the model, e.g. `no_stream_options`, `max_completion_tokens`, `developer_role`: the list is in
    docs/providers.md."""
