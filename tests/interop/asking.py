"""One question through our own dialect and client, and everything that was heard."""

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from chat.conf import Deadlines
from chat.exceptions import ProviderCut, ProviderError
from chat.llm.attempt import CallFacts, Tell
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
from chat.llm.guard import CallTarget, Guard
from chat.llm.messages import ChatMessage, ModelRequest, TextPart, ToolSchema
from chat.llm.safeguards import Safeguards
from chat.resilience.backends.memory import MemoryBackend
from chat.resilience.deadline import Clockwork

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


async def ask(
    base_url: str,
    request: ModelRequest,
    headers: dict[str, str] | None = None,
    dialect_name: str = "openai_chat",
) -> Heard:
    """A refusal counts as heard: it is the last delta, as `Failed`."""
    dialect = DIALECTS[dialect_name]
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


class _Hearing:
    """A listener that keeps all; what an attempt has shown that is made again does not count."""

    def __init__(self) -> None:
        self.heard = Heard()
        self.learned: list[str] = []

    def attempt_began(self, facts: CallFacts, dropped: Sequence[str]) -> Tell:
        self.heard = Heard()
        return self.heard.deltas.extend

    def attempt_ended(self, error: ProviderError | None) -> None:
        pass

    def retrying(self, wait_seconds: float, error: ProviderError) -> None:
        pass

    def waiting(self, place: int) -> None:
        pass


async def ask_through_guard(
    base_url: str, dialect_name: str, request: ModelRequest
) -> tuple[Heard, list[str]]:
    """By the road that runs take: dialect, guard, client, decoder. Also the capabilities that were learned.

    Raises:
        ProviderError: no attempt succeeded.
    """
    hearing = _Hearing()
    target = CallTarget(
        user="u",
        provider="p",
        model="m",
        dialect=DIALECTS[dialect_name],
        endpoint=Endpoint(base_url),
        api_key="any",
        deadlines=Deadlines(total_seconds=SECONDS),
    )
    async with ModelClient() as client:
        safeguards = Safeguards(
            MemoryBackend(time.monotonic),
            client=client,
            clockwork=Clockwork(time.monotonic),
            clock=time.monotonic,
            wall_clock=time.time,
            sleep=asyncio.sleep,
            uniform=random.uniform,
            name="interop",
        )
        try:
            await Guard(safeguards, target, remember=hearing.learned.append).run(request, hearing)
        finally:
            await safeguards.aclose()
    return hearing.heard, hearing.learned
