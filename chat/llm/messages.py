"""What a dialect is asked to send: provider-neutral messages, tools and options."""

from typing import Any, Literal

from msgspec import Struct, field

Json = Any


class TextPart(Struct, frozen=True, tag="text"):
    text: str


class ReasoningPart(Struct, frozen=True, tag="reasoning"):
    """`opaque` goes back to the provider unchanged (signatures, encrypted reasoning)."""

    text: str
    opaque: Json = None


class RefusalPart(Struct, frozen=True, tag="refusal"):
    text: str


class ImagePart(Struct, frozen=True, tag="image"):
    """Either `url` (https) or `data` (raw bytes) with its `media_type`."""

    url: str = ""
    data: bytes = b""
    media_type: str = ""


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


Part = TextPart | ReasoningPart | RefusalPart | ImagePart | ToolCallPart | ToolResultPart


class ChatMessage(Struct, frozen=True):
    role: Literal["user", "assistant"]
    parts: tuple[Part, ...]


class ToolSchema(Struct, frozen=True):
    """`parameters` is a JSON schema of type object."""

    name: str
    description: str
    parameters: dict[str, Json]


class Options(Struct, frozen=True):
    """None means: leave it out of the request."""

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
    """What is known of the model, e.g. `no_stream_options`, `max_completion_tokens`, `developer_role`."""
