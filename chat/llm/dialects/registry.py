"""The dialects by name. A provider's row names one of these."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from chat.llm.dialects.anthropic_messages import AnthropicMessages
from chat.llm.dialects.base import Dialect
from chat.llm.dialects.openai_chat import OpenAIChat
from chat.llm.dialects.openai_responses import OpenAIResponses

_KNOWN: tuple[Dialect, ...] = (OpenAIChat(), OpenAIResponses(), AnthropicMessages())

DIALECTS: Final[Mapping[str, Dialect]] = MappingProxyType({dialect.name: dialect for dialect in _KNOWN})
