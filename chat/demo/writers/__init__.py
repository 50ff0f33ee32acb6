"""One file a wire protocol: how the demo upstream reads requests and writes answers."""

from chat.demo.writers.anthropic_messages import AnthropicMessagesWriter
from chat.demo.writers.base import StreamWriter, Writer
from chat.demo.writers.openai_chat import OpenAIChatWriter
from chat.demo.writers.openai_responses import OpenAIResponsesWriter

WRITERS: tuple[Writer, ...] = (OpenAIChatWriter(), OpenAIResponsesWriter(), AnthropicMessagesWriter())

__all__ = ["WRITERS", "StreamWriter", "Writer"]
