"""One question through our own dialect and client, and everything that was heard."""

import asyncio
from dataclasses import dataclass, field

from chat.exceptions import ProviderCut, ProviderError
from chat.llm.client import Endpoint, ModelClient
from chat.llm.deltas import (
    Delta,
    Failed,
    Finished,
    ReasoningDelta,
    TextDelta,
    ToolCallReady,
    Usage,
    UsageReported,
)
from chat.llm.dialects.registry import DIALECTS
from chat.llm.messages import ChatMessage, ModelRequest, TextPart, ToolSchema

SECONDS = 60
GET_WEATHER = ToolSchema(
    name="get_weather",
    description="The weather in a city",
    parameters={"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
)
GET_TIME = ToolSchema(
    name="get_time",
    description="The time in a time zone",
    parameters={"type": "object", "properties": {"tz": {"type": "string"}}, "required": ["tz"]},
)


@dataclass
class Heard:
    deltas: list[Delta] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "".join(delta.text for delta in self.deltas if isinstance(delta, TextDelta))

    @property
    def reasoning(self) -> str:
        return "".join(delta.text for delta in self.deltas if isinstance(delta, ReasoningDelta))

    @property
    def calls(self) -> list[tuple[str, str]]:
        return [(delta.name, delta.arguments) for delta in self.deltas if isinstance(delta, ToolCallReady)]

    @property
    def usage(self) -> Usage | None:
        reported = [delta.usage for delta in self.deltas if isinstance(delta, UsageReported)]
        return reported[-1] if reported else None

    @property
    def finish_reason(self) -> str | None:
        last = self.deltas[-1]
        return last.reason if isinstance(last, Finished) else None

    @property
    def error(self) -> ProviderError | None:
        last = self.deltas[-1]
        return last.error if isinstance(last, Failed) else None

    @property
    def ends(self) -> int:
        return sum(isinstance(delta, Finished | Failed) for delta in self.deltas)


def question(
    text: str, *, model: str = "gpt-4o", stream: bool = True, tools: tuple[ToolSchema, ...] = ()
) -> ModelRequest:
    messages = (ChatMessage("user", (TextPart(text),)),)
    return ModelRequest(model=model, messages=messages, tools=tools, stream=stream)


async def ask(base_url: str, request: ModelRequest, headers: dict[str, str] | None = None) -> Heard:
    """A refusal counts as heard: it is the last delta, as `Failed`."""
    dialect = DIALECTS["openai_chat"]
    wire = dialect.build(request, api_key="any")
    heard = Heard()
    try:
        async with (
            asyncio.timeout(SECONDS),
            ModelClient() as client,
            client.call(Endpoint(base_url, headers or {}), wire, connect_seconds=5) as answer,
        ):
            if answer.status >= 400:
                body = await answer.error_body()
                raise dialect.read_error(answer.status, answer.headers, body)
            decoder = dialect.decoder(content_type=answer.content_type)
            try:
                async for chunk in answer.chunks():
                    heard.deltas += decoder.feed(chunk)
            except ProviderCut as cut:
                heard.deltas += decoder.abort(cut.detail)
            else:
                heard.deltas += decoder.close()
    except ProviderError as error:
        heard.deltas.append(Failed(error))
    return heard
