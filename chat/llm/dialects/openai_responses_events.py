"""The shape of a Responses stream event, as far as it is read. Large members stay undecoded until needed."""

import json
from typing import Any

from msgspec import Raw, Struct
from msgspec.json import Decoder


class ResponseEvent(Struct):
    type: str = ""
    output_index: int | None = None
    content_index: int | None = None
    summary_index: int | None = None
    delta: str | dict[str, Any] | None = None
    text: str | None = None
    refusal: str | None = None
    arguments: str | None = None
    input: str | None = None
    name: str | None = None
    item: Raw = Raw()
    part: Raw = Raw()
    response: Raw = Raw()
    annotation: Raw = Raw()


EVENTS = Decoder(ResponseEvent)


def loosely(value: dict[str, Any]) -> ResponseEvent:
    """Reads a decoded object by hand, for servers that send other types."""
    event = ResponseEvent()
    for name in ("type", "delta", "text", "refusal", "arguments", "input", "name"):
        if isinstance(value.get(name), str):
            setattr(event, name, value[name])
    for name in ("output_index", "content_index", "summary_index"):
        if isinstance(value.get(name), int):
            setattr(event, name, value[name])
    for name in ("delta", "arguments"):
        if isinstance(value.get(name), dict):
            setattr(event, name, value[name] if name == "delta" else json.dumps(value[name]))
    for name in ("item", "part", "response", "annotation"):
        if isinstance(value.get(name), dict):
            setattr(event, name, Raw(json.dumps(value[name]).encode()))
    return event


def opened(raw: Raw) -> dict[str, Any]:
    """A member kept undecoded, as an object; empty if it is none."""
    if not raw:
        return {}
    value = json.loads(bytes(raw).decode("utf-8", "replace"))
    return value if isinstance(value, dict) else {}


def listed(value: Any) -> list[dict[str, Any]]:
    """The objects of a list; empty if it is none."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def text_at(value: dict[str, Any], *names: str) -> str:
    """The first of these members that is a text with something in it."""
    return next((value[name] for name in names if isinstance(value.get(name), str) and value[name]), "")
