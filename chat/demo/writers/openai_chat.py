"""Chat Completions as a server speaks it.

Source: OpenAI's API reference, `chat.completion` and `chat.completion.chunk`; `reasoning_content` as
DeepSeek sends it.
"""

import time
import uuid
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from chat.demo.script import Arguments, Call, Decline, DemoRequest, Finish, Refuse, Say, Spoken, Think
from chat.demo.writers.base import OVERLOADED, PAGE_IN_BETWEEN, padding
from chat.demo.writers.openai_chat_request import read_request
from chat.demo.writers.openai_errors import error_body, request_headers

_FIELDS: dict[type[Spoken], str] = {Say: "content", Think: "reasoning_content", Decline: "refusal"}
_REASONS = {"refusal": "stop"}

_encode = msgspec.json.encode


class OpenAIChatWriter:
    dialect = "openai_chat"
    path = "/chat/completions"

    def headers(self) -> Mapping[str, str]:
        return request_headers()

    def read(self, body: Any) -> DemoRequest:
        return read_request(body)

    def stream(self, request: DemoRequest) -> "ChatStream":
        return ChatStream(request)

    def whole(self, request: DemoRequest, steps: Iterable[Spoken], finish: Finish) -> bytes:
        message = _Message()
        for step in steps:
            message.add(step)
        reason = _REASONS.get(finish.reason, finish.reason)
        choice = {"index": 0, "message": message.as_json(), "logprobs": None, "finish_reason": reason}
        usage = _usage(request, message.tokens, message.thoughts)
        return _encode({**_head(request.model, "chat.completion"), "choices": [choice], "usage": usage})

    def error(self, refusal: Refuse) -> bytes:
        return error_body(refusal)


class _Message:
    """A whole answer as it comes together."""

    def __init__(self) -> None:
        self.tokens = 0
        self.thoughts = 0
        self._texts: dict[str, list[str]] = {}
        self._calls: list[tuple[str, list[str]]] = []

    def add(self, step: Spoken) -> None:
        if isinstance(step, Call):
            self._calls.append((step.name, []))
            return
        self.tokens += 1
        self.thoughts += isinstance(step, Think)
        if isinstance(step, Arguments):
            self._calls[-1][1].append(step.text)
        else:
            self._texts.setdefault(_FIELDS[type(step)], []).append(step.text)

    def as_json(self) -> dict[str, Any]:
        texts = {name: "".join(parts) for name, parts in self._texts.items()}
        message: dict[str, Any] = {
            "role": "assistant",
            "content": None,
            "refusal": None,
            **texts,
            "annotations": [],
        }
        if self._calls:
            message["tool_calls"] = [
                {
                    "id": _call_id(),
                    "type": "function",
                    "function": {"name": name, "arguments": "".join(parts)},
                }
                for name, parts in self._calls
            ]
        return message


class ChatStream:
    def __init__(self, request: DemoRequest) -> None:
        self._request = request
        self._head = _head(request.model, "chat.completion.chunk")
        self._tokens = 0
        self._thoughts = 0
        self._calls = 0
        self._frames: dict[str, tuple[bytes, bytes, bytes]] = {}

    def opening(self) -> bytes:
        return self._chunk({"role": "assistant", "content": "", "refusal": None})

    def step(self, step: Spoken) -> bytes:
        if isinstance(step, Call):
            self._calls += 1
            function = {"name": step.name, "arguments": ""}
            call = {"index": self._calls - 1, "id": _call_id(), "type": "function", "function": function}
            return self._chunk({"tool_calls": [call]})
        self._tokens += 1
        self._thoughts += isinstance(step, Think)
        text = _encode(step.text)
        before, between, after = self._frame(step)
        if not self._request.obfuscate:
            return before + text + after
        return before + text + between + padding(len(text)).encode() + after

    def keep_alive(self) -> bytes:
        return b": keep-alive\n\n"

    def garbage(self) -> bytes:
        return b'data: {"choices":[{"delta":{"content":' + PAGE_IN_BETWEEN + b"\n\n"

    def complaint(self) -> bytes:
        error = {"message": OVERLOADED, "type": "server_error", "param": None, "code": "server_error"}
        return _event({"error": error})

    def ending(self, finish: Finish, *, twice: bool = False) -> bytes:
        reason = _REASONS.get(finish.reason, finish.reason)
        last = self._chunk({}, reason) * (2 if twice else 1)
        if self._request.include_usage:
            usage = _usage(self._request, self._tokens, self._thoughts)
            last += _event({**self._head, "choices": [], "usage": usage})
        return last + b"data: [DONE]\n\n"

    def _frame(self, step: Say | Think | Decline | Arguments) -> tuple[bytes, bytes, bytes]:
        """Everything but text and padding is the same each time, so it is encoded once."""
        if isinstance(step, Arguments):
            name = f"arguments {self._calls}"
            fragment = {"index": self._calls - 1, "function": {"arguments": "\0"}}
            delta: dict[str, Any] = {"tool_calls": [fragment]}
        else:
            name = _FIELDS[type(step)]
            delta = {name: "\0"}
        if name not in self._frames:
            before, _, rest = self._chunk(delta, padded=self._request.obfuscate).partition(_encode("\0"))
            between, _, after = rest.partition(b"\\u0001")
            self._frames[name] = (before, between, after) if after else (before, b"", between)
        return self._frames[name]

    def _chunk(
        self, delta: dict[str, Any], finish_reason: str | None = None, *, padded: bool = False
    ) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        usage = {"usage": None} if self._request.include_usage else {}
        obfuscation = {"obfuscation": "\1"} if padded else {}
        return _event({**self._head, "choices": [choice], **usage, **obfuscation})


def _event(chunk: dict[str, Any]) -> bytes:
    return b"data: " + _encode(chunk) + b"\n\n"


def _call_id() -> str:
    return f"call_{uuid.uuid4().hex[:24]}"


def _head(model: str, kind: str) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{uuid.uuid4().hex[:24]}",
        "object": kind,
        "created": int(time.time()),
        "model": model,
        "service_tier": "default",
        "system_fingerprint": "fp_demo",
    }


def _usage(request: DemoRequest, output_tokens: int, reasoning_tokens: int) -> dict[str, Any]:
    return {
        "prompt_tokens": request.input_tokens,
        "completion_tokens": output_tokens,
        "total_tokens": request.input_tokens + output_tokens,
        "prompt_tokens_details": {"cached_tokens": request.cached_tokens, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": reasoning_tokens,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }
