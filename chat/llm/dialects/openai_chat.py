"""OpenAI Chat Completions, the protocol that most other providers imitate."""

import uuid
from collections.abc import Callable, Mapping

from chat.exceptions import ProviderError
from chat.llm.dialects.base import Decoder, WireRequest
from chat.llm.dialects.errors import http_error
from chat.llm.dialects.fitting import is_streamed
from chat.llm.dialects.openai_chat_decoder import OpenAIChatDecoder
from chat.llm.dialects.openai_chat_history import DIALECT
from chat.llm.dialects.openai_chat_request import body_of
from chat.llm.messages import ModelRequest


def random_call_id() -> str:
    return f"call_{uuid.uuid4().hex[:24]}"


def bearer_headers(request: ModelRequest, api_key: str) -> dict[str, str]:
    """No authorisation without a key: local servers want none."""
    headers = {
        "content-type": "application/json",
        "accept": "text/event-stream" if is_streamed(request) else "application/json",
    }
    return headers | ({"authorization": f"Bearer {api_key}"} if api_key else {})


class OpenAIChat:
    """`new_id` makes an id for tool calls that come without one."""

    name = DIALECT

    def __init__(self, *, new_id: Callable[[], str] = random_call_id) -> None:
        self._new_id = new_id

    def build(self, request: ModelRequest, *, api_key: str) -> WireRequest:
        written = body_of(request)
        return WireRequest(
            "/chat/completions", bearer_headers(request, api_key), written.body, written.dropped
        )

    def decoder(self, *, content_type: str = "") -> Decoder:
        return OpenAIChatDecoder(new_id=self._new_id)

    def read_error(self, status: int, headers: Mapping[str, str], body: bytes) -> ProviderError:
        return http_error(status, headers, body)
