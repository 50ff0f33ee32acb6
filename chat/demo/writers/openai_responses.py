"""The Responses protocol as a server speaks it.

Source: OpenAI's API reference, "Responses: streaming events"; the error event as it is really sent, with its
facts in an object `error`, followed by `response.failed`.
"""

import time
import uuid
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from chat.demo.script import Arguments, Call, Decline, DemoRequest, Finish, Refuse, Say, Spoken, Think
from chat.demo.writers.base import OVERLOADED, PAGE_IN_BETWEEN, padding
from chat.demo.writers.openai_errors import error_body, request_headers
from chat.demo.writers.openai_responses_items import (
    CallItem,
    Event,
    Item,
    ReasoningItem,
    RefusalItem,
    TextItem,
)
from chat.demo.writers.openai_responses_request import read_request

ENCRYPTED = "gAAAAABdemo-reasoning-that-nobody-can-read"

_ITEMS: dict[type[Spoken], type[Item]] = {
    Say: TextItem,
    Think: ReasoningItem,
    Decline: RefusalItem,
    Arguments: CallItem,
}

_encode = msgspec.json.encode


class OpenAIResponsesWriter:
    dialect = "openai_responses"
    path = "/responses"

    def headers(self) -> Mapping[str, str]:
        return request_headers()

    def read(self, body: Any) -> DemoRequest:
        return read_request(body)

    def stream(self, request: DemoRequest) -> "ResponseStream":
        return ResponseStream(request)

    def whole(self, request: DemoRequest, steps: Iterable[Spoken], finish: Finish) -> bytes:
        stream = ResponseStream(request)
        for step in steps:
            stream.step(step)
        stream.ending(finish)
        return _encode(stream.response)

    def error(self, refusal: Refuse) -> bytes:
        return error_body(refusal)


class ResponseStream:
    """`response` is the object as it stands; after `ending` or `complaint` it is the final one."""

    def __init__(self, request: DemoRequest) -> None:
        self._request = request
        self.response = _response(request)
        self._sequence_number = 0
        self._tokens = 0
        self._thoughts = 0
        self._output: list[dict[str, Any]] = []
        self._item: Item | None = None
        self._frame = (b"", b"")

    def opening(self) -> bytes:
        return self._events(
            [
                ("response.created", {"response": self.response}),
                ("response.in_progress", {"response": self.response}),
            ]
        )

    def step(self, step: Spoken) -> bytes:
        if isinstance(step, Call):
            return self._next(CallItem(len(self._output) + (self._item is not None), step.name))
        self._tokens += 1
        self._thoughts += isinstance(step, Think)
        kind = _ITEMS[type(step)]
        opening = b"" if type(self._item) is kind else self._next(self._new(kind))
        if self._item is not None:
            self._item.pieces.append(step.text)
        return opening + self._delta(step.text)

    def keep_alive(self) -> bytes:
        return b": keep-alive\n\n"

    def garbage(self) -> bytes:
        name = b"response.output_text.delta"
        return b"event: " + name + b'\ndata: {"type":"' + name + b'","delta":' + PAGE_IN_BETWEEN + b"\n\n"

    def complaint(self) -> bytes:
        error = {"type": "server_error", "code": "server_error", "message": OVERLOADED, "param": None}
        self._close("incomplete")
        self.response = {
            **self.response,
            "status": "failed",
            "error": {"code": "server_error", "message": OVERLOADED},
            "output": self._output,
        }
        return self._events([("error", {"error": error}), ("response.failed", {"response": self.response})])

    def ending(self, finish: Finish, *, twice: bool = False) -> bytes:
        status = "incomplete" if finish.reason == "length" else "completed"
        closing = self._close(status)
        self.response = {
            **self.response,
            "status": status,
            "completed_at": int(time.time()) if status == "completed" else None,
            "incomplete_details": {"reason": "max_output_tokens"} if status == "incomplete" else None,
            "output": self._output,
            "usage": self._usage(),
        }
        terminal: Event = (f"response.{status}", {"response": self.response})
        return closing + self._events([terminal, terminal] if twice else [terminal])

    def _new(self, kind: type[Item]) -> Item:
        index = len(self._output) + (self._item is not None)
        if kind is ReasoningItem:
            return ReasoningItem(index, ENCRYPTED if self._request.include_encrypted_reasoning else None)
        return kind(index)

    def _next(self, item: Item) -> bytes:
        closing = self._close("completed")
        self._item = item
        fields = {"type": item.delta_type, "sequence_number": "\0", **item.delta_fields}
        head = _encode(fields).partition(_encode("\0"))
        before = b"event: " + item.delta_type.encode() + b"\ndata: " + head[0]
        self._frame = before, head[2][:-1] + b',"delta":'
        return closing + self._events(item.opened())

    def _close(self, status: str) -> bytes:
        item, self._item = self._item, None
        if item is None:
            return b""
        self._output.append(item.as_json(status))
        return self._events(item.closed(status))

    def _delta(self, text: str) -> bytes:
        """Everything but number, text and padding is the same for an item, so it is encoded once."""
        before, between = self._frame
        number = str(self._sequence_number).encode()
        self._sequence_number += 1
        encoded = _encode(text)
        end = b"}\n\n"
        if self._request.obfuscate:
            end = b',"obfuscation":"' + padding(len(encoded)).encode() + b'"}\n\n'
        return before + number + between + encoded + end

    def _events(self, events: Iterable[Event]) -> bytes:
        written = bytearray()
        for kind, fields in events:
            numbered = {"type": kind, "sequence_number": self._sequence_number, **fields}
            self._sequence_number += 1
            written += b"event: " + kind.encode() + b"\ndata: " + _encode(numbered) + b"\n\n"
        return bytes(written)

    def _usage(self) -> dict[str, Any]:
        return {
            "input_tokens": self._request.input_tokens,
            "input_tokens_details": {"cached_tokens": self._request.cached_tokens, "cache_write_tokens": 0},
            "output_tokens": self._tokens,
            "output_tokens_details": {"reasoning_tokens": self._thoughts},
            "total_tokens": self._request.input_tokens + self._tokens,
        }


def _response(request: DemoRequest) -> dict[str, Any]:
    return {
        "id": f"resp_{uuid.uuid4().hex}",
        "object": "response",
        "created_at": int(time.time()),
        "status": "in_progress",
        "background": False,
        "completed_at": None,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "max_output_tokens": request.max_output_tokens,
        "max_tool_calls": None,
        "model": request.model,
        "output": [],
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "prompt_cache_key": None,
        "reasoning": {"effort": None, "summary": None},
        "safety_identifier": None,
        "service_tier": "default",
        "store": False,
        "temperature": 1.0,
        "text": {"format": {"type": "text"}, "verbosity": "medium"},
        "tool_choice": "auto",
        "tools": [],
        "top_logprobs": 0,
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": None,
        "user": None,
        "metadata": {},
    }
