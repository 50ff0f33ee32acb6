"""What a model can take of what a user wishes, and what is left out: once for all dialects.

Capabilities are words that staff, the catalogue or a refusal (`refusals.py`) have given a model.
"""

import hashlib
import re
from collections.abc import Callable, Iterable
from typing import Any, Final

from msgspec import Struct
from msgspec.json import encode
from msgspec.structs import replace

from chat.llm.dialects.text import clean, clean_json
from chat.llm.messages import (
    ChatMessage,
    FilePart,
    ImagePart,
    ModelRequest,
    Options,
    Part,
    ReasoningPart,
    ServerItemPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)

NOT_SEEN: Final = "[An image, which this model cannot see.]"
NOT_READ: Final = "[A file, {}, which this model cannot read.]"
MADE_BY_THE_MODEL: Final = "[From your answer above:]"

EFFORTS: Final = ("none", "minimal", "low", "medium", "high", "xhigh", "max")

_TEXT_TYPE: Final = re.compile(
    r"text/.*|application/(json|.*\+json|xml|.*\+xml|yaml|x-yaml|toml|javascript|x-javascript|sql|x-sh)"
)
_LONGEST_CALL_NAME: Final = 64


class Written(Struct, frozen=True):
    """A request's body in JSON, and the wishes that are not in it (`WireRequest.dropped`)."""

    body: bytes
    dropped: tuple[str, ...] = ()


SaysFile = Callable[[FilePart], bool]
"""Whether a protocol has words for such a file."""


def says_any_file(part: FilePart) -> bool:
    return bool(part.file_id or part.url or part.data)


# --- the conversation -----------------------------------------------------------------------------


def fitted(request: ModelRequest, says_file: SaysFile = says_any_file) -> list[ChatMessage]:
    """The messages with lines of text for what the model cannot have (`no_vision`, `no_files`, `no_tools`).

    No protocol takes pictures and files from an assistant: those go with the user's next message. Files that are text
    go as text, which every model reads.
    """
    messages = [
        replace(message, parts=tuple(_fitted_parts(message, request.capabilities, says_file)))
        for message in _handed_on(request.messages)
    ]
    return [message for message in messages if message.parts]


def with_system_said(messages: Iterable[ChatMessage], system: str) -> list[ChatMessage]:
    """For models that know no system text: it begins the first message."""
    said, rest = TextPart(system), list(messages)
    if rest and rest[0].role == "user":
        return [replace(rest[0], parts=(said, *rest[0].parts)), *rest[1:]]
    return [ChatMessage("user", (said,)), *rest]


def _handed_on(messages: Iterable[ChatMessage]) -> list[ChatMessage]:
    found: list[ChatMessage] = []
    made: tuple[Part, ...] = ()
    for message in messages:
        parts = message.parts
        if message.role == "assistant":
            made += tuple(part for part in parts if isinstance(part, ImagePart | FilePart))
            parts = tuple(part for part in parts if not isinstance(part, ImagePart | FilePart))
        elif made and not all(isinstance(part, ToolResultPart) for part in parts):
            parts = (TextPart(MADE_BY_THE_MODEL), *made, *parts)
            made = ()
        found.append(ChatMessage(message.role, parts))
    return found


def _fitted_parts(message: ChatMessage, capabilities: frozenset[str], says_file: SaysFile) -> Iterable[Part]:
    for part in message.parts:
        if isinstance(part, ImagePart) and _lost(part, capabilities, says_file):
            yield TextPart(NOT_SEEN)
        elif isinstance(part, FilePart) and _is_text(part):
            yield TextPart(_file_text(part))
        elif isinstance(part, FilePart) and _lost(part, capabilities, says_file):
            yield TextPart(NOT_READ.format(" ".join(filter(None, (part.name, part.url)))))
        elif "no_tools" not in capabilities:
            yield _short_id(part) if "short_call_ids" in capabilities else part
        else:
            yield from _without_tools(part)


def _lost(part: Part, capabilities: frozenset[str], says_file: SaysFile) -> str:
    """`images` or `files`, if the model cannot have this part."""
    if isinstance(part, ImagePart):
        return "images" if "no_vision" in capabilities else ""
    if isinstance(part, FilePart) and not _is_text(part):
        return "files" if "no_files" in capabilities or not says_file(part) else ""
    return ""


def _without_tools(part: Part) -> Iterable[Part]:
    """Calls that another model made, told as a story. What was signed around them fits no longer."""
    if isinstance(part, ToolCallPart):
        yield TextPart(f"[Called {part.name}: {part.arguments or '{}'}]\n")
    elif isinstance(part, ToolResultPart):
        yield TextPart(f"[Result: {part.result}]\n")
    elif not isinstance(part, ReasoningPart | ServerItemPart):
        yield part


def _is_text(part: FilePart) -> bool:
    return bool(part.data) and bool(_TEXT_TYPE.fullmatch(part.media_type.partition(";")[0].strip().lower()))


def _file_text(part: FilePart) -> str:
    content = clean(part.data.decode("utf-8-sig", "replace"))
    return f'<file name="{part.name}">\n{content}\n</file>'


def _short_id(part: Part) -> Part:
    """Mistral wants nine letters or digits, OpenAI at most 64 characters; the ids of others may be longer."""
    if not isinstance(part, ToolCallPart | ToolResultPart) or re.fullmatch(r"[a-zA-Z0-9]{9}", part.id):
        return part
    return replace(part, id=hashlib.sha256(part.id.encode("utf-8", "replace")).hexdigest()[:9])


def call_name(name: str) -> str:
    """A model may have made up the name of a tool, in characters that providers refuse to read back."""
    return re.sub(r"[^a-zA-Z0-9_-]", "_", name)[:_LONGEST_CALL_NAME] or "unnamed"


# --- the options ----------------------------------------------------------------------------------


def is_streamed(request: ModelRequest) -> bool:
    return request.stream and "no_stream" not in request.capabilities


def choice_of(request: ModelRequest) -> str:
    """`auto`, `none`, `required` or the name of a tool that is offered; "" where there is nothing to say."""
    choice = request.options.tool_choice or ""
    known = ("auto", "none", "required", *(tool.name for tool in request.tools))
    offered = bool(request.tools) and "no_tools" not in request.capabilities
    return choice if offered and choice in known and "no_tool_choice" not in request.capabilities else ""


def effort_of(request: ModelRequest) -> str:
    """The wished effort, or the nearest that the model has not refused (`no_effort_<value>`); "" for none."""
    wish, capabilities = request.options.reasoning_effort or "", request.capabilities
    if not wish or "no_thinking" in capabilities or f"no_effort_{wish}" not in capabilities:
        return "" if "no_thinking" in capabilities else wish
    place = EFFORTS.index(wish) if wish in EFFORTS else len(EFFORTS)
    nearest = [*reversed(EFFORTS[1:place]), *EFFORTS[max(place, 1) :]]
    return next((effort for effort in nearest if f"no_effort_{effort}" not in capabilities), "")


def without_refused(body: dict[str, Any], capabilities: frozenset[str]) -> dict[str, Any]:
    """The body less the fields that the model is known to refuse (capability `no_<field>`)."""
    return {name: value for name, value in body.items() if f"no_{name}" not in capabilities}


def written(
    request: ModelRequest,
    body: dict[str, Any],
    carried: dict[str, bool],
    says_file: SaysFile = says_any_file,
) -> Written:
    """`carried` tells of each of `Options`' fields and `tools` whether the body says it, if it was wished for."""
    try:
        encoded = encode(body)
    except UnicodeEncodeError:
        encoded = encode(clean_json(body))
    lost = {
        _lost(part, request.capabilities, says_file)
        for message in request.messages
        for part in message.parts
        if message.role == "user"
    }
    missing = [name for name in _wishes(request) if not carried[name]]
    return Written(encoded, (*missing, *(name for name in ("images", "files") if name in lost)))


def _wishes(request: ModelRequest) -> list[str]:
    """What was asked for. Among no tools there is no choice, and `auto` is every model's own."""
    options = request.options
    names = [name for name in Options.__struct_fields__ if getattr(options, name) not in (None, "")]
    if not request.tools or options.tool_choice == "auto":
        names = [name for name in names if name != "tool_choice"]
    return [*names, "tools"] if request.tools else names
