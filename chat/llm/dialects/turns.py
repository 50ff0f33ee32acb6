"""A conversation in the order every protocol wants it: user, assistant, the results of its calls, …

Stored messages may hold several steps of one answer, calls that never ran (a stopped run) and calls whose
arguments were cut. Providers refuse all three, so they are put right here, once for all dialects.
"""

import base64
import json
from collections.abc import Iterable
from typing import Any, Final, Literal

from msgspec import Struct
from msgspec.structs import replace

from chat.llm.dialects.fitting import call_name
from chat.llm.messages import ChatMessage, FilePart, ImagePart, Part, ToolCallPart, ToolResultPart

NOT_RUN: Final = "This call was not run."


class Turn(Struct, frozen=True):
    """`results` turns hold one `ToolResultPart` for each call of the assistant turn before, in its order."""

    role: Literal["user", "assistant", "results"]
    parts: tuple[Part, ...]


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
    return part.url or data_url(part, "image/png")


def data_url(part: ImagePart | FilePart, media_type: str) -> str:
    """`media_type` is what it is where the part does not say."""
    return f"data:{part.media_type or media_type};base64,{base64_of(part)}"


def base64_of(part: ImagePart | FilePart) -> str:
    return base64.b64encode(part.data).decode()


def opaque_of(part: Any, dialect: str) -> dict[str, Any] | None:
    """What a part carries for this dialect; what another dialect left there is not for it."""
    opaque = part.opaque
    return opaque if isinstance(opaque, dict) and opaque.get("dialect") == dialect else None


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
    parts = [
        replace(part, name=call_name(part.name)) if isinstance(part, ToolCallPart) else part for part in parts
    ]
    found = [Turn(role, tuple(parts))]
    calls = [part for part in parts if isinstance(part, ToolCallPart)]
    if calls:
        by_id = {result.id: result for result in results}
        answers = (by_id.get(call.id) or ToolResultPart(call.id, NOT_RUN, failed=True) for call in calls)
        found.append(Turn("results", tuple(answers)))
    return found
