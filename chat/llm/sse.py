"""Server-sent events out of bytes, however the transport cut them. No I/O.

Follows the WHATWG rules (https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream)
with three leniences that recorded providers need: an event may lack its last blank line at a clean end of
the body, blank data is a keep-alive, and a line `error: {...}` (old llama.cpp) is an event of that name.

Lines are split on bytes and only at LF, CR and CRLF: text splitters such as `str.splitlines` also cut at
U+2028 and its like, which occur unescaped inside JSON strings.
"""

from typing import Final

MAX_LINE_BYTES: Final = 16 * 1024 * 1024
"""Image results arrive as one base64 line."""

MAX_STREAM_BYTES: Final = 64 * 1024 * 1024

_BOM: Final = b"\xef\xbb\xbf"

_FIELDS: Final = (b"data", b"event", b"", b"id", b"retry", b"error")
"""The empty name is a comment's."""

Event = tuple[str, bytes]
"""The name ("" where the stream gave none) and the data, still bytes."""


class StreamTooLarge(Exception):
    """A line, an event or the whole stream is over its limit. `events` are those complete before it."""

    def __init__(self, limit: str, events: list[Event]) -> None:
        super().__init__(f"the {limit} is over its limit")
        self.events = events


class SseDecoder:
    """Feed it chunks, take whole events. Holds at most one unfinished line and one unfinished event."""

    __slots__ = (
        "_after_cr",
        "_data",
        "_data_bytes",
        "_first",
        "_line",
        "_max_line",
        "_max_stream",
        "_name",
        "_total",
        "recognised",
    )

    def __init__(
        self, *, max_line_bytes: int = MAX_LINE_BYTES, max_stream_bytes: int = MAX_STREAM_BYTES
    ) -> None:
        self.recognised = False
        """Some line was a field or a comment: this is an event stream, not any text."""
        self._max_line = max_line_bytes
        self._max_stream = max_stream_bytes
        self._total = 0
        self._first = True
        self._after_cr = False
        self._line = bytearray()
        self._name = ""
        self._data: list[bytes] = []
        self._data_bytes = 0

    def feed(self, chunk: bytes) -> list[Event]:
        """The events that this chunk completes. Raises `StreamTooLarge`; feed nothing afterwards."""
        self._total += len(chunk)
        if self._total > self._max_stream:
            raise self._too_large("stream", [])
        idle = not (self._line or self._data or self._name or self._first or self._after_cr)
        if idle and self._is_one_event(chunk):
            self.recognised = True
            return [("", chunk[6:-2])]
        events: list[Event] = []
        if b"\r" in chunk or self._after_cr:
            chunk = self._without_cr(chunk)
        if idle and chunk.endswith(b"\n\n"):
            for block in chunk[:-2].split(b"\n\n"):
                self._block(block, events)
        elif chunk:
            self._any(chunk, events)
        return events

    def close(self) -> Event | None:
        """What a clean end of the body leaves: an event without its blank line, maybe not whole."""
        events: list[Event] = []
        if self._line:
            self._lines([bytes(self._line)], events)
        self._dispatch(events)
        self.clear()
        return events[0] if events else None

    def clear(self) -> None:
        """Forgets what is unfinished."""
        self._line = bytearray()
        self._name = ""
        self._data = []
        self._data_bytes = 0

    def _block(self, block: bytes, events: list[Event]) -> None:
        """One whole event without its blank line; mostly a data line, or a name and a data line."""
        name = ""
        data = block
        if block.startswith(b"event: "):
            first, _, data = block.partition(b"\n")
            name = first[7:].decode("utf-8", "replace").strip()
        if data.startswith(b"data: {") and b"\n" not in data and len(data) <= self._max_line:
            self.recognised = True
            events.append((name, data[6:]))
        else:
            self._lines(block.split(b"\n"), events)
            self._dispatch(events)

    def _is_one_event(self, chunk: bytes) -> bool:
        """Whether this is the usual chunk: one event on one line."""
        return (
            chunk.startswith(b"data: {")
            and chunk.find(b"\n") == len(chunk) - 2
            and chunk.endswith(b"\n")
            and b"\r" not in chunk
            and len(chunk) <= self._max_line
        )

    def _without_cr(self, chunk: bytes) -> bytes:
        """The chunk with LF as its only line end; a CRLF may be cut between two chunks."""
        if self._after_cr and chunk:
            self._after_cr = False
            if chunk.startswith(b"\n"):
                chunk = chunk[1:]
        if chunk:
            self._after_cr = chunk.endswith(b"\r")
        return chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _any(self, chunk: bytes, events: list[Event]) -> None:
        head, newline, tail = chunk.rpartition(b"\n")
        if newline:
            if self._line:
                head = bytes(self._line) + head
                self._line = bytearray()
            self._lines(head.split(b"\n"), events)
        if len(self._line) + len(tail) > self._max_line:
            raise self._too_large("line", events)
        self._line += tail

    def _lines(self, lines: list[bytes], events: list[Event]) -> None:
        for line in lines:
            if self._first:
                self._first = False
                line = line.removeprefix(_BOM)
            if not line:
                self._dispatch(events)
                continue
            if len(line) > self._max_line:
                raise self._too_large("line", events)
            field, _, value = line.partition(b":")
            if field in _FIELDS:
                self.recognised = True
                self._field(field, value.removeprefix(b" "), events)

    def _field(self, field: bytes, value: bytes, events: list[Event]) -> None:
        if field == b"data":
            self._append(value, events)
        elif field == b"event":
            self._name = value.decode("utf-8", "replace").strip()
        elif field == b"error":
            self._name = "error"
            self._append(value, events)

    def _append(self, value: bytes, events: list[Event]) -> None:
        self._data_bytes += len(value) + 1
        if self._data_bytes > self._max_line + 1:
            raise self._too_large("event", events)
        self._data.append(value)

    def _dispatch(self, events: list[Event]) -> None:
        if self._data:
            payload = self._data[0] if len(self._data) == 1 else b"\n".join(self._data)
            if payload and not payload.isspace():
                events.append((self._name, payload))
            self._data = []
            self._data_bytes = 0
        self._name = ""

    def _too_large(self, limit: str, events: list[Event]) -> StreamTooLarge:
        self.clear()
        return StreamTooLarge(limit, events)
