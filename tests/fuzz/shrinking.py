"""Makes a found input small: what is left is what matters, and nothing of a recording."""

import json
from collections.abc import Callable, Iterator
from typing import Any

from tests.fuzz.spoiling import events_of

MOST_TRIES = 20_000
SHORT = "x"


def shrunk(body: bytes, breaks: Callable[[bytes], bool]) -> bytes:
    """A smaller body that still breaks: without events, members and characters that it breaks without."""
    tries = 0
    smaller = True
    while smaller:
        smaller = False
        for candidate in _candidates(body):
            tries += 1
            if tries > MOST_TRIES:
                return body
            if breaks(candidate):
                body, smaller = candidate, True
                break
    return body


def _candidates(body: bytes) -> Iterator[bytes]:
    """Smaller by one step, the largest steps first."""
    events = events_of(body)
    for at in range(len(events)):
        yield b"".join(events[:at] + events[at + 1 :])
    json_found = False
    for at, event in enumerate(events):
        for less in _less_json(event):
            json_found = True
            yield b"".join([*events[:at], less, *events[at + 1 :]])
    if not json_found:
        for size in (256, 64, 16, 4, 1):
            for at in range(0, len(body), size):
                yield body[:at] + body[at + size :]


def _less_json(event: bytes) -> Iterator[bytes]:
    head, mark, data = event.rpartition(b"data: ")
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return
    ending = b"\n\n" if event.endswith(b"\n\n") else b""
    for less in _less(value):
        yield head + mark + json.dumps(less).encode() + ending


def _less(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        for name in value:
            yield {key: item for key, item in value.items() if key != name}
        for name, item in value.items():
            yield from ({**value, name: less} for less in _less(item))
    elif isinstance(value, list):
        for at, item in enumerate(value):
            yield value[:at] + value[at + 1 :]
            yield from ([*value[:at], less, *value[at + 1 :]] for less in _less(item))
    elif isinstance(value, str) and len(value) > len(SHORT):
        yield SHORT
        yield value[: len(value) // 2]
