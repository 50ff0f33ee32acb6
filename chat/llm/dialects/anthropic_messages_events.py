"""The shape of a Messages stream event, as far as it is read. Large members stay undecoded until needed."""

import json
from typing import Any

from msgspec import Raw, Struct
from msgspec.json import Decoder


class BlockDelta(Struct):
    """Of a block (`content_block_delta`) or of the message (`message_delta`)."""

    type: str = ""
    text: str | None = None
    partial_json: str | None = None
    thinking: str | None = None
    signature: str | None = None
    citation: Raw = Raw()
    stop_reason: str | None = None
    stop_details: Any = None


class MessageEvent(Struct):
    type: str = ""
    index: int | None = None
    delta: BlockDelta | None = None
    message: Raw = Raw()
    content_block: Raw = Raw()
    usage: dict[str, Any] | None = None


EVENTS = Decoder(MessageEvent)


def loosely(value: dict[str, Any]) -> MessageEvent:
    """Reads a decoded object by hand, for servers that send other types."""
    event = MessageEvent()
    if isinstance(value.get("type"), str):
        event.type = value["type"]
    if isinstance(value.get("index"), int):
        event.index = value["index"]
    if isinstance(value.get("usage"), dict):
        event.usage = value["usage"]
    if isinstance(value.get("delta"), dict):
        event.delta = _delta(value["delta"])
    for name in ("message", "content_block"):
        if isinstance(value.get(name), dict):
            setattr(event, name, Raw(json.dumps(value[name]).encode()))
    return event


def _delta(value: dict[str, Any]) -> BlockDelta:
    delta = BlockDelta(stop_details=value.get("stop_details"))
    for name in ("type", "text", "partial_json", "thinking", "signature", "stop_reason"):
        if isinstance(value.get(name), str):
            setattr(delta, name, value[name])
    if isinstance(value.get("partial_json"), dict):
        delta.partial_json = json.dumps(value["partial_json"], ensure_ascii=False)
    if isinstance(value.get("citation"), dict):
        delta.citation = Raw(json.dumps(value["citation"]).encode())
    return delta
