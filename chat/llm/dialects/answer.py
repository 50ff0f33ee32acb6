"""What the decoders of all dialects share: finding out what a body is, and ending exactly once.

A body of status 200 may be an event stream, a whole JSON answer, JSON lines, an error in JSON, a web page or
nothing, whatever its content type says: the first bytes decide.
"""

import json
from typing import Any, Final

from chat.exceptions import ProviderCut, ProviderError, ProviderGarbage
from chat.llm.deltas import Delta, Failed, Usage, UsageReported
from chat.llm.dialects.errors import WireError, error_in, provider_error, status_line
from chat.llm.sse import MAX_LINE_BYTES, SseDecoder, StreamTooLarge

_BOM: Final = b"\xef\xbb\xbf"
_UNKNOWN, _STREAM, _JSON = range(3)
_WORDS_BYTES: Final = 2000


class AnswerDecoder:
    """Implements `Decoder`; a dialect fills `_event`, `_whole`, `_end_of_body` and `_last_words`."""

    def __init__(self) -> None:
        self._sse = SseDecoder()
        self._shape = _UNKNOWN
        self._body = bytearray()
        self._past_bom = False
        self._ended = False
        self._closing = False
        self._usage: Any = None

    @property
    def ended(self) -> bool:
        return self._ended

    @property
    def whole(self) -> bool:
        """A dialect whose end is told before its usage overrides this."""
        return self._ended

    def feed(self, data: bytes) -> list[Delta]:
        out: list[Delta] = []
        if self._ended or not data:
            return out
        if self._shape != _STREAM:
            self._unsure(data, out)
            return out
        reason = ""
        try:
            events = self._sse.feed(data)
        except StreamTooLarge as error:
            events, reason = error.events, str(error)
        self._events(events, out)
        if reason:
            self._fail(ProviderGarbage(detail=reason), out)
        return out

    def close(self) -> list[Delta]:
        out: list[Delta] = []
        if self._ended:
            return out
        self._closing = True
        if self._shape == _STREAM:
            self._close_stream(out)
        elif self._shape == _JSON:
            self._close_json(out)
        else:
            self._fail(ProviderGarbage("The provider sent an empty answer."), out)
        return out

    def abort(self, reason: str = "") -> list[Delta]:
        out: list[Delta] = []
        if not self._ended:
            self._cut(reason or "the connection broke", out)
        return out

    # --- for a dialect to fill --------------------------------------------------------------------

    def _event(self, name: str, payload: bytes, out: list[Delta]) -> None:
        """One event of the stream; the payload is never blank."""
        raise NotImplementedError

    def _whole(self, value: dict[str, Any], out: list[Delta]) -> None:
        """A whole answer in JSON that is not an error. Has to end."""
        raise NotImplementedError

    def _end_of_body(self, out: list[Delta]) -> None:
        """The stream's clean end: has to end, as a cut if the dialect's own end marker never came."""
        raise NotImplementedError

    def _cut(self, reason: str, out: list[Delta]) -> None:
        """The line broke. A dialect that knows the answer to be whole overrides this."""
        self._fail(ProviderCut(detail=reason), out)

    def _last_words(self, out: list[Delta]) -> None:
        """What is still held back and has to be said before the end, whichever it is. May be asked twice."""

    def _read_usage(self, usage: Any) -> Usage | None:
        raise NotImplementedError

    # --- for a dialect to use ---------------------------------------------------------------------

    def _finish(self, last: Delta, out: list[Delta]) -> None:
        if self._ended:
            return
        self._last_words(out)
        usage = self._read_usage(self._usage) if self._usage else None
        if usage is not None:
            out.append(UsageReported(usage))
        out.append(last)
        self._ended = True
        self._sse.clear()
        self._body = bytearray()

    def _fail(self, error: ProviderError, out: list[Delta]) -> None:
        self._finish(Failed(error), out)

    def _fail_with(self, error: WireError, out: list[Delta]) -> None:
        """An error object inside an answer of status 200."""
        self._fail(provider_error(error), out)

    def _loads(self, payload: bytes, out: list[Delta], name: str = "") -> Any:
        """The payload as JSON, however odd; None for what is none, which fails the answer.

        A dropped delta would corrupt text or arguments, so nothing but comments and a last event that
        was cut is ever skipped. An event named `error` may also be plain words.
        """
        try:
            return json.loads(payload.decode("utf-8", "replace"))
        except (ValueError, RecursionError):
            body = payload.lstrip()
            if name == "error" and not body.startswith((b"{", b"[", b'"')):
                words = body[:_WORDS_BYTES].decode("utf-8", "replace").strip()
                self._fail_with(WireError(message="" if words.startswith("<") else words), out)
            elif not self._closing and not body.startswith(b":"):
                self._fail(ProviderGarbage(detail="an event of the stream is not JSON"), out)
            return None

    # --- the shapes of a body ---------------------------------------------------------------------

    def _unsure(self, data: bytes, out: list[Delta]) -> None:
        if len(self._body) + len(data) > MAX_LINE_BYTES:
            self._fail(ProviderGarbage(detail="the body is over its limit"), out)
            return
        self._body += data
        if self._shape == _JSON:
            return
        body = bytes(self._body)
        if not self._past_bom:
            if len(body) < 3 and _BOM.startswith(body):
                return
            body = body.removeprefix(_BOM)
            self._past_bom = True
        body = body.lstrip()
        self._body = bytearray()
        if body.startswith(b"<"):
            self._fail(ProviderGarbage(detail="a web page instead of an answer"), out)
        elif body.startswith((b"{", b"[")):
            self._shape = _JSON
            self._body += body
        elif body:
            self._shape = _STREAM
            out += self.feed(body)

    def _events(self, events: list[tuple[str, bytes]], out: list[Delta]) -> None:
        try:
            for name, payload in events:
                self._event(name, payload, out)
                if self._ended:
                    return
        except RecursionError:
            self._fail(ProviderGarbage(detail="JSON nested too deeply"), out)

    def _close_stream(self, out: list[Delta]) -> None:
        try:
            last = self._sse.close()
        except StreamTooLarge as error:
            self._fail(ProviderGarbage(detail=str(error)), out)
            return
        if last is not None:
            self._events([last], out)
        if not self._ended and not self._sse.recognised:
            self._fail(ProviderGarbage(detail="plain text instead of an answer"), out)
        if not self._ended:
            self._end_of_body(out)

    def _close_json(self, out: list[Delta]) -> None:
        body = bytes(self._body).strip().removeprefix(_BOM)
        try:
            value = json.loads(body.decode("utf-8", "replace"))
        except (ValueError, RecursionError):
            self._close_json_lines(body, out)
            return
        error = error_in(value)
        if error is not None and not (isinstance(value, dict) and value.get("choices")):
            self._fail_with(error, out)
        elif isinstance(value, dict):
            self._events_of_whole(value, out)
        else:
            self._fail(ProviderGarbage(detail="JSON, but no answer"), out)

    def _events_of_whole(self, value: dict[str, Any], out: list[Delta]) -> None:
        try:
            self._whole(value, out)
        except RecursionError:
            self._fail(ProviderGarbage(detail="JSON nested too deeply"), out)

    def _close_json_lines(self, body: bytes, out: list[Delta]) -> None:
        lines = [line for line in body.splitlines() if line.strip()]
        if len(lines) < 2 or not all(line.startswith(b"{") for line in lines):
            self._fail(ProviderGarbage(detail=status_line(200) + ", but its JSON is broken"), out)
            return
        self._closing = False
        self._events([("", line) for line in lines[:-1]], out)
        self._closing = True
        if not self._ended:
            self._events([("", lines[-1])], out)
        if not self._ended:
            self._end_of_body(out)
