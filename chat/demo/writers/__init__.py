"""One file a wire protocol: how the demo upstream reads requests and writes answers."""

from chat.demo.writers.base import Writer
from chat.demo.writers.openai_chat import OpenAIChatWriter

WRITERS: tuple[Writer, ...] = (OpenAIChatWriter(),)

__all__ = ["WRITERS", "Writer"]
