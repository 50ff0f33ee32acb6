"""Anthropic Messages."""

from collections.abc import Callable, Mapping

from chat.exceptions import ProviderError
from chat.llm.dialects.anthropic_messages_blocks import DIALECT
from chat.llm.dialects.anthropic_messages_decoder import AnthropicMessagesDecoder
from chat.llm.dialects.anthropic_messages_request import body_of
from chat.llm.dialects.base import Decoder, WireRequest
from chat.llm.dialects.errors import http_error
from chat.llm.dialects.fitting import is_streamed
from chat.llm.dialects.openai_chat import random_call_id
from chat.llm.messages import FilePart, ImagePart, ModelRequest

VERSION = "2023-06-01"
FILES_BETA = "files-api-2025-04-14"
"""Files by id are asked for by this name: https://docs.claude.com/en/docs/build-with-claude/files"""


class AnthropicMessages:
    """`new_id` makes an id for tool calls that come without one; a provider's own headers win over `version`."""

    name = DIALECT

    def __init__(self, *, new_id: Callable[[], str] = random_call_id, version: str = VERSION) -> None:
        self._new_id = new_id
        self._version = version

    def build(self, request: ModelRequest, *, api_key: str) -> WireRequest:
        written = body_of(request)
        headers = {
            "content-type": "application/json",
            "accept": "text/event-stream" if is_streamed(request) else "application/json",
            "anthropic-version": self._version,
        }
        if api_key:
            headers["x-api-key"] = api_key
        if _names_files(request):
            headers["anthropic-beta"] = FILES_BETA
        return WireRequest("/v1/messages", headers, written.body, written.dropped)

    def decoder(self, *, content_type: str = "") -> Decoder:
        return AnthropicMessagesDecoder(new_id=self._new_id)

    def read_error(self, status: int, headers: Mapping[str, str], body: bytes) -> ProviderError:
        return http_error(status, headers, body)


def _names_files(request: ModelRequest) -> bool:
    parts = (part for message in request.messages for part in message.parts)
    return any(isinstance(part, ImagePart | FilePart) and part.file_id for part in parts)
