"""A conversation in the order every protocol wants it: user, assistant, the results of its calls, …

Stored messages may hold several steps of one answer, calls that never ran (a stopped run) and calls whose
arguments were cut. Providers refuse all three, so they are put right here, once for all dialects.
"""

import base64
import json
from collections.abc import Iterable
from typing import Any, Final, Literal

from msgspec import Struct
from msgspec.json import encode

from chat.llm.dialects.text import clean_json
from chat.llm.messages import (
    ChatMessage,
    ImagePart,
    ModelRequest,
    Part,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)

NOT_SEEN: Final = "[An image, which this model cannot see.]"
NOT_RUN: Final = "This call was not run."


class Turn(Struct, frozen=True):
    """`results` turns hold one `ToolResultPart` for each call of the assistant turn before, in its order."""

    role: Literal["user", "assistant", "results"]
    parts: tuple[Part, ...]


def turns_of(request: ModelRequest) -> list[Turn]:
    """The turns as this model can take them (capability `no_vision`)."""
    if "no_vision" not in request.capabilities:
        return turns(request.messages)
    return turns(
        ChatMessage(
            message.role,
            tuple(TextPart(NOT_SEEN) if isinstance(part, ImagePart) else part for part in message.parts),
        )
        for message in request.messages
    )


def turns(messages: Iterable[ChatMessage]) -> list[Turn]:
    found: list[Turn] = []
    role: Literal["user", "assistant"] = "user"
    parts: list[Part] = []
    results: list[ToolResultPart] = []
    for message in messages:
        for part in message.parts:
            if isinstance(part, ToolResultPart):
                if parts:  # else it answers nothing
                    results.append(part)
            else:
                if parts and (results or message.role != role):
                    found += _turn(role, parts, results)
                    parts, results = [], []
                role = message.role
                parts.append(part)
        if parts and message.role == "user" and not results:
            found += _turn(role, parts, results)
            parts = []
    return found + _turn(role, parts, results)


def arguments_object(arguments: str) -> dict[str, Any]:
    """The arguments as an object, whatever the model wrote."""
    try:
        value = json.loads(arguments or "{}")
    except (ValueError, RecursionError):
        return {"unreadable_arguments": arguments}
    if value is None:
        return {}
    return value if isinstance(value, dict) else {"value": value}


def is_object(text: str) -> bool:
    """Whether a text is a whole JSON object. Half of one never is."""
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


def arguments_text(arguments: str) -> str:
    """The arguments as the text of an object: as the model wrote them, if that is one."""
    return arguments if is_object(arguments) else json.dumps(arguments_object(arguments), ensure_ascii=False)


def image_url(part: ImagePart) -> str:
    """An https URL, or the data as a `data:` URL."""
    if part.url:
        return part.url
    return f"data:{part.media_type or 'image/png'};base64,{base64.b64encode(part.data).decode()}"


def opaque_of(part: Any, dialect: str) -> dict[str, Any] | None:
    """What a part carries for this dialect; what another dialect left there is not for it."""
    opaque = part.opaque
    return opaque if isinstance(opaque, dict) and opaque.get("dialect") == dialect else None


def encode_body(body: dict[str, Any], capabilities: frozenset[str]) -> bytes:
    """JSON without the fields that the model is known to refuse (capability `no_<field>`)."""
    allowed = {name: value for name, value in body.items() if f"no_{name}" not in capabilities}
    try:
        return encode(allowed)
    except UnicodeEncodeError:
        return encode(clean_json(allowed))


def is_strict(schema: Any) -> bool:
    """Whether a JSON schema is of the closed kind that `strict` demands at every level."""
    if isinstance(schema, list):
        return all(is_strict(item) for item in schema)
    if not isinstance(schema, dict):
        return True
    if schema.get("type") == "object" or isinstance(schema.get("properties"), dict):
        properties = schema.get("properties")
        names = set(properties) if isinstance(properties, dict) else set()
        if schema.get("additionalProperties") is not False or set(schema.get("required") or ()) != names:
            return False
    return all(is_strict(value) for value in schema.values())


def _turn(role: Literal["user", "assistant"], parts: list[Part], results: list[ToolResultPart]) -> list[Turn]:
    if not parts:
        return []
    found = [Turn(role, tuple(parts))]
    calls = [part for part in parts if isinstance(part, ToolCallPart)]
    if calls:
        by_id = {result.id: result for result in results}
        answers = (by_id.get(call.id) or ToolResultPart(call.id, NOT_RUN, failed=True) for call in calls)
        found.append(Turn("results", tuple(answers)))
    return found
