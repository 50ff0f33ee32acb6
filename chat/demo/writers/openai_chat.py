"""Chat Completions as a server speaks it.

Source: OpenAI's API reference, `chat.completion` and `chat.completion.chunk`; `reasoning_content` as
DeepSeek sends it.
"""

import time
import uuid
from typing import Any

import msgspec

from chat.demo.script import BadRequest, DemoRequest, Say, Think

ERROR_TYPES = {401: "authentication_error", 404: "not_found_error", 429: "rate_limit_error"}
ERROR_CODES = {401: "invalid_api_key", 404: "model_not_found", 429: "rate_limit_exceeded"}
CHARACTERS_A_TOKEN = 4
TOKENS_AN_IMAGE = 85

_encode = msgspec.json.encode


class OpenAIChatWriter:
    path = "/chat/completions"

    def read(self, body: Any) -> DemoRequest:
        if not isinstance(body, dict):
            raise BadRequest("The body is not a JSON object.")
        model, messages = body.get("model"), body.get("messages")
        if not isinstance(model, str) or not model:
            raise BadRequest("You must provide a model parameter.")
        if not isinstance(messages, list) or not messages or not all(isinstance(m, dict) for m in messages):
            raise BadRequest("'messages' must be a list of at least one message.")
        asked = [message for message in messages if message.get("role") == "user"]
        if not asked:
            raise BadRequest("There is no user message.")
        prompt, images = _read_content(asked[-1].get("content"))
        earlier = sum(_tokens(message) for message in messages[:-1])
        return DemoRequest(
            model=model,
            prompt=prompt,
            turn=len(asked),
            images=images,
            stream=bool(body.get("stream")),
            include_usage=bool((body.get("stream_options") or {}).get("include_usage")),
            max_output_tokens=body.get("max_completion_tokens") or body.get("max_tokens"),
            input_tokens=earlier + _tokens(messages[-1]),
            cached_tokens=earlier,
        )

    def stream(self, request: DemoRequest) -> "ChatStream":
        return ChatStream(request)

    def whole(self, request: DemoRequest, steps: list[Say | Think], finish_reason: str) -> bytes:
        reasoning = "".join(step.text for step in steps if isinstance(step, Think))
        message = {
            "role": "assistant",
            "content": "".join(step.text for step in steps if isinstance(step, Say)),
            **({"reasoning_content": reasoning} if reasoning else {}),
        }
        thinking = sum(isinstance(step, Think) for step in steps)
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish_reason}
        return _encode(
            {
                **_head(request.model, "chat.completion"),
                "choices": [choice],
                "usage": _usage(request, len(steps), thinking),
            }
        )

    def error(self, status: int, message: str) -> bytes:
        kind = ERROR_TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")
        facts = {"message": message, "type": kind, "param": None, "code": ERROR_CODES.get(status)}
        return _encode({"error": facts})


class ChatStream:
    def __init__(self, request: DemoRequest) -> None:
        self._request = request
        self._head = _head(request.model, "chat.completion.chunk")
        self._deltas = 0
        self._thoughts = 0
        self._frames: dict[str, tuple[bytes, bytes]] = {}

    def opening(self) -> bytes:
        return self._chunk({"role": "assistant", "content": ""})

    def delta(self, step: Say | Think) -> bytes:
        """Everything but the text is the same each time, so it is encoded once."""
        thinking = isinstance(step, Think)
        self._deltas += 1
        self._thoughts += thinking
        before, after = self._frame("reasoning_content" if thinking else "content")
        return before + _encode(step.text) + after

    def garbage(self) -> bytes:
        return b'data: {"choices":[{"delta":{"content":<html>502 Bad Gateway</html>\n\n'

    def ending(self, finish_reason: str) -> bytes:
        last = self._chunk({}, finish_reason)
        if self._request.include_usage:
            usage = _usage(self._request, self._deltas, self._thoughts)
            last += _event({**self._head, "choices": [], "usage": usage})
        return last + b"data: [DONE]\n\n"

    def _frame(self, key: str) -> tuple[bytes, bytes]:
        if key not in self._frames:
            before, _, after = self._chunk({key: "\0"}).partition(_encode("\0"))
            self._frames[key] = before, after
        return self._frames[key]

    def _chunk(self, delta: dict[str, str], finish_reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        usage = {"usage": None} if self._request.include_usage else {}
        return _event({**self._head, "choices": [choice], **usage})


def _event(chunk: dict[str, Any]) -> bytes:
    return b"data: " + _encode(chunk) + b"\n\n"


def _head(model: str, kind: str) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{uuid.uuid4().hex[:24]}",
        "object": kind,
        "created": int(time.time()),
        "model": model,
        "system_fingerprint": "fp_demo",
    }


def _usage(request: DemoRequest, output_tokens: int, reasoning_tokens: int) -> dict[str, Any]:
    return {
        "prompt_tokens": request.input_tokens,
        "completion_tokens": output_tokens,
        "total_tokens": request.input_tokens + output_tokens,
        "prompt_tokens_details": {"cached_tokens": request.cached_tokens, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": reasoning_tokens, "audio_tokens": 0},
    }


def _read_content(content: Any) -> tuple[str, int]:
    """The text of a message and the number of its images."""
    if isinstance(content, str):
        return content, 0
    if not isinstance(content, list):
        return "", 0
    parts = [part for part in content if isinstance(part, dict)]
    text = "\n".join(str(part.get("text", "")) for part in parts if part.get("type") == "text")
    return text, sum(part.get("type") == "image_url" for part in parts)


def _tokens(message: dict[str, Any]) -> int:
    """A rough count, as good as any without a tokenizer: never 0."""
    text, images = _read_content(message.get("content"))
    return 1 + len(text) // CHARACTERS_A_TOKEN + images * TOKENS_AN_IMAGE
