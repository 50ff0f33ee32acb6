"""The Messages protocol as a server speaks it.

Source: Anthropic's API reference, "Streaming Messages", and recorded answers: a ping after the first block has
opened, JSON padded with blanks before its last brace, usage at the start and, cumulative, at the end.
"""

import json
import uuid
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from chat.demo.script import Arguments, Call, Decline, DemoRequest, Finish, Refuse, Say, Spoken, Think
from chat.demo.writers.anthropic_messages_request import read_request
from chat.demo.writers.base import OVERLOADED, PAGE_IN_BETWEEN, padding

SIGNATURE = "EqQBdemoSignatureThatNobodyCanCheck=="

_REASONS = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use", "refusal": "refusal"}
_ERROR_TYPES = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_NO_CREDIT = (
    "Your credit balance is too low to access the API. Please go to Plans & Billing. You asked for it."
)

_encode = msgspec.json.encode


class AnthropicMessagesWriter:
    dialect = "anthropic_messages"
    path = "/messages"

    def headers(self) -> Mapping[str, str]:
        return {"request-id": _request_id()}

    def read(self, body: Any) -> DemoRequest:
        return read_request(body)

    def stream(self, request: DemoRequest) -> "MessageStream":
        return MessageStream(request)

    def whole(self, request: DemoRequest, steps: Iterable[Spoken], finish: Finish) -> bytes:
        stream = MessageStream(request)
        for step in steps:
            stream.step(step)
        return _encode(stream.message(finish))

    def error(self, refusal: Refuse) -> bytes:
        usual = "api_error" if refusal.status >= 500 else "invalid_request_error"
        kind = _ERROR_TYPES.get(refusal.status, usual)
        return _error(kind, _NO_CREDIT if refusal.reason == "quota" else refusal.message)


class _Block:
    """A content block: `start` is what opens it, `field` the one that its deltas (of `delta_type`) fill."""

    def __init__(self, index: int, start: dict[str, Any], delta_type: str, field: str) -> None:
        self.index = index
        self.start = start
        self.pieces: list[str] = []
        delta = {"type": "content_block_delta", "index": index, "delta": {"type": delta_type, field: "\0"}}
        before, _, after = _encode(delta).partition(_encode("\0"))
        self._frame = b"event: content_block_delta\ndata: " + before, after[:-1]

    def delta(self, text: str) -> bytes:
        """Everything but text and padding is the same for a block, so it is encoded once."""
        self.pieces.append(text)
        encoded = _encode(text)
        before, after = self._frame
        return before + encoded + after + b" " * len(padding(len(encoded))) + b"}\n\n"

    def as_json(self) -> dict[str, Any]:
        text = "".join(self.pieces)
        kind = self.start["type"]
        if kind == "tool_use":
            return {**self.start, "input": _object(text)}
        if kind == "thinking":
            return {**self.start, "thinking": text, "signature": SIGNATURE}
        return {**self.start, "text": text}


class MessageStream:
    def __init__(self, request: DemoRequest) -> None:
        self._request = request
        self._id = f"msg_{uuid.uuid4().hex[:24]}"
        self._tokens = 0
        self._thoughts = 0
        self._explanation: list[str] = []
        self._blocks: list[_Block] = []
        self._kind: type[Spoken] | None = None  # of the block that is open

    def opening(self) -> bytes:
        started = {**self._head(), "stop_reason": None, "stop_sequence": None, "stop_details": None}
        usage = {**self._input_usage(), "output_tokens": 1, "service_tier": "standard"}
        return _event("message_start", {"message": {**started, "usage": usage}})

    def step(self, step: Spoken) -> bytes:
        if isinstance(step, Call):
            call = {
                "type": "tool_use",
                "id": f"toolu_{uuid.uuid4().hex[:24]}",
                "name": step.name,
                "input": {},
            }
            opening = self._open(Arguments, call, "input_json_delta", "partial_json")
            return opening + self._blocks[-1].delta("")
        self._tokens += 1
        self._thoughts += isinstance(step, Think)
        if isinstance(step, Decline):  # an explanation at the end, no content
            self._explanation.append(step.text)
            return b""
        opening = b""
        if isinstance(step, Say) and self._kind is not Say:
            opening = self._open(Say, {"type": "text", "text": ""}, "text_delta", "text")
        elif isinstance(step, Think) and self._kind is not Think:
            start = {"type": "thinking", "thinking": "", "signature": ""}
            opening = self._open(Think, start, "thinking_delta", "thinking")
        return opening + self._blocks[-1].delta(step.text)

    def keep_alive(self) -> bytes:
        return _event("ping", {})

    def garbage(self) -> bytes:
        return b'event: content_block_delta\ndata: {"type":"content_block_delta",' + PAGE_IN_BETWEEN + b"\n\n"

    def complaint(self) -> bytes:
        return b"event: error\ndata: " + _error("overloaded_error", OVERLOADED) + b"\n\n"

    def ending(self, finish: Finish, *, twice: bool = False) -> bytes:
        delta = self._stop(finish)
        usage = {**self._input_usage(), **self._output_usage()}
        times = 2 if twice else 1
        last = _event("message_delta", {"delta": delta, "usage": usage}) * times
        return self._close() + last + _event("message_stop", {}) * times

    def message(self, finish: Finish) -> dict[str, Any]:
        """The whole answer so far."""
        usage = {**self._input_usage(), **self._output_usage(), "service_tier": "standard"}
        content = [block.as_json() for block in self._blocks]
        return {**self._head(), "content": content, **self._stop(finish), "usage": usage}

    def _head(self) -> dict[str, Any]:
        return {
            "model": self._request.model,
            "id": self._id,
            "type": "message",
            "role": "assistant",
            "content": [],
        }

    def _stop(self, finish: Finish) -> dict[str, Any]:
        stop: dict[str, Any] = {
            "stop_reason": _REASONS[finish.reason],
            "stop_sequence": None,
            "stop_details": None,
        }
        if finish.reason == "refusal":
            explanation = "".join(self._explanation)
            stop["stop_details"] = {"type": "refusal", "category": None, "explanation": explanation}
        return stop

    def _open(self, kind: type[Spoken], start: dict[str, Any], delta_type: str, field: str) -> bytes:
        closing = self._close()
        block = _Block(len(self._blocks), start, delta_type, field)
        self._blocks.append(block)
        self._kind = kind
        opening = _event("content_block_start", {"index": block.index, "content_block": start})
        return closing + opening + (self.keep_alive() if block.index == 0 else b"")

    def _close(self) -> bytes:
        kind, self._kind = self._kind, None
        if kind is None:
            return b""
        index = self._blocks[-1].index
        signature = {"index": index, "delta": {"type": "signature_delta", "signature": SIGNATURE}}
        signed = _event("content_block_delta", signature) if kind is Think else b""
        return signed + _event("content_block_stop", {"index": index})

    def _input_usage(self) -> dict[str, Any]:
        """Cached input is counted apart."""
        return {
            "input_tokens": self._request.input_tokens - self._request.cached_tokens,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": self._request.cached_tokens,
        }

    def _output_usage(self) -> dict[str, Any]:
        details = {"output_tokens_details": {"thinking_tokens": self._thoughts}} if self._thoughts else {}
        return {"output_tokens": self._tokens, **details}


def _event(kind: str, fields: dict[str, Any]) -> bytes:
    data = _encode({"type": kind, **fields})
    blanks = b" " * len(padding(len(data)))
    return b"event: " + kind.encode() + b"\ndata: " + data[:-1] + blanks + b"}\n\n"


def _error(kind: str, message: str) -> bytes:
    error = {"details": None, "type": kind, "message": message}
    return _encode({"type": "error", "error": error, "request_id": _request_id()})


def _request_id() -> str:
    return f"req_{uuid.uuid4().hex[:24]}"


def _object(text: str) -> dict[str, Any]:
    """The arguments of a call; empty where a limit cut them."""
    try:
        value = json.loads(text or "{}")
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
