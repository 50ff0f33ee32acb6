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
