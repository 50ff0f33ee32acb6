"""OpenAI Responses, the successor of Chat Completions."""

from collections.abc import Callable, Mapping

from chat.exceptions import ProviderError
from chat.llm.dialects.base import Decoder, WireRequest
from chat.llm.dialects.errors import http_error
from chat.llm.dialects.openai_chat import bearer_headers, random_call_id
from chat.llm.dialects.openai_responses_decoder import OpenAIResponsesDecoder
from chat.llm.dialects.openai_responses_request import body_of
from chat.llm.dialects.openai_responses_tools import DIALECT
from chat.llm.messages import ModelRequest


class OpenAIResponses:
    """`new_id` makes an id for tool calls that come without one."""

    name = DIALECT

    def __init__(self, *, new_id: Callable[[], str] = random_call_id) -> None:
        self._new_id = new_id

    def build(self, request: ModelRequest, *, api_key: str) -> WireRequest:
        written = body_of(request)
        return WireRequest("/responses", bearer_headers(request, api_key), written.body, written.dropped)

    def decoder(self, *, content_type: str = "") -> Decoder:
        return OpenAIResponsesDecoder(new_id=self._new_id)

    def read_error(self, status: int, headers: Mapping[str, str], body: bytes) -> ProviderError:
        return http_error(status, headers, body)
