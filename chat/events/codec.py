"""How events, cursors and event frames are written and read. An event is encoded once for all its readers."""

import re
from typing import NamedTuple, get_args

import msgspec

from chat.events.run_events import RunEvent
from chat.exceptions import BadCursor

FRAME_BYTES = 90
"""What a frame has besides its event."""

_encode = msgspec.json.Encoder().encode
_decoder: msgspec.json.Decoder[RunEvent] = msgspec.json.Decoder(RunEvent)
_TAGS = {kind: f'{{"type":"{kind.__struct_config__.tag}"'.encode() for kind in get_args(RunEvent)}
_CURSOR = re.compile(r"(0|[1-9]\d{0,9})-(0|[1-9]\d{0,15})", re.ASCII)


class Cursor(NamedTuple):
    """A place in a run's log: after the event of this number. Compares as two integers."""

    epoch: int
    seq: int

    def __str__(self) -> str:
        return f"{self.epoch}-{self.seq}"

    @classmethod
    def parse(cls, text: str) -> "Cursor":
        """
        Raises:
            BadCursor: it is not `epoch-seq`.
        """
        found = _CURSOR.fullmatch(text)
        if found is None:
            raise BadCursor
        return cls(int(found[1]), int(found[2]))


class Entry(NamedTuple):
    """One event as it stands in a log: its number, its whole frame as JSON text, and that text's size in bytes."""

    cursor: Cursor
    frame: str
    size: int


def encode_event(event: RunEvent) -> bytes:
    return _encode(event)


def framed(run: str, cursor: Cursor, body: bytes) -> Entry:
    """An encoded event with its number and frame around it."""
    frame = f'{{"type":"event","run":"{run}","cursor":"{cursor.epoch}-{cursor.seq}","event":{body.decode()}}}'
    return Entry(cursor, frame, len(body) + FRAME_BYTES)


def entry(run: str, cursor: Cursor, event: RunEvent) -> Entry:
    return framed(run, cursor, _encode(event))


def has_type(body: bytes, event: type[RunEvent]) -> bool:
    """Whether an encoded event is of this type, without decoding it: the tag is written first."""
    return body.startswith(_TAGS[event])


def decode_event(body: bytes | str) -> RunEvent:
    return _decoder.decode(body)
