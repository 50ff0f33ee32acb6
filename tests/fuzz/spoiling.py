"""Makes hostile streams of good ones: JSON with something in it replaced, events dropped, doubled, swapped or torn."""

import json
import random
from typing import Any

JUNK = '[null, true, 7, -1, 1.5, "", "x", "\\ud83d", "\\u0000", [], {}, [1], [{}], {"a": 1}, 1e30, "stop", [[["x"]]]]'
NOISE = [
    b"data: [DONE]",
    b"data:",
    b": x",
    b"error: {}",
    b"data: null",
    b"event: error\ndata: 1",
    b"data: {oops",
    b"<",
]


def hostile(events: list[bytes], dice: random.Random) -> bytes:
    """A few things wrong, anywhere."""
    events = list(events)
    for _ in range(dice.randrange(1, 5)):
        at = dice.randrange(len(events))
        fate = dice.randrange(8)
        if fate < 4:
            events[at] = with_spoiled_json(events[at], dice)
        elif fate < 5:
            events.insert(at, dice.choice(NOISE) + b"\n\n")
        elif fate < 6:
            events.insert(dice.randrange(len(events)), events[at])
        elif fate < 7 and len(events) > 1:
            del events[at]
        elif events[at]:
            raw = bytearray(events[at])
            raw[dice.randrange(len(raw))] = dice.randrange(256)
            events[at] = bytes(raw)
    return b"".join(events)


def with_spoiled_json(raw: bytes, dice: random.Random) -> bytes:
    """An event, or a whole body, with its JSON spoilt; as it is where there is none."""
    head, mark, data = raw.partition(b"data: ")
    if not mark:
        head, data = b"", raw
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return raw
    return head + mark + json.dumps(spoiled(value, dice)).encode() + (b"\n\n" if mark else b"")


def spoiled(value: Any, dice: random.Random) -> Any:
    """A JSON value with something in it replaced, dropped or doubled."""
    junk = json.loads(JUNK)
    if isinstance(value, dict) and value:
        name = dice.choice(list(value))
        fate = dice.random()
        if fate < 0.1:
            return {key: item for key, item in value.items() if key != name}
        return {**value, name: dice.choice(junk) if fate < 0.3 else spoiled(value[name], dice)}
    if isinstance(value, list) and value:
        at = dice.randrange(len(value))
        return [*value[:at], spoiled(value[at], dice), *value[at + dice.randrange(2) :]]
    return dice.choice(junk) if dice.random() < 0.5 else value


def events_of(body: bytes) -> list[bytes]:
    return [block + b"\n\n" for block in body.split(b"\n\n") if block]
