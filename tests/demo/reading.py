"""A plain client of the demo upstream: our dialect, our HTTP client, our decoder, and deadlines by hand."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

from chat.demo import DemoServer
from chat.exceptions import ProviderCut, ProviderError, ProviderTimeout
from chat.llm.client import Endpoint, ModelClient, UpstreamAnswer
from chat.llm.deltas import Failed, ReasoningDelta, RefusalDelta, TextDelta, ToolCallStarted
from chat.llm.dialects.base import Decoder
from chat.llm.dialects.registry import DIALECTS
from chat.llm.messages import ChatMessage, ModelRequest, TextPart
from tests.interop.asking import Heard

PATIENT_SECONDS = 30.0
_SHOWN = (TextDelta, ReasoningDelta, RefusalDelta, ToolCallStarted)


@dataclass(frozen=True)
class Patience:
    """Deadlines in seconds: of the first delta (with the head), between chunks, of all."""

    first_token: float = PATIENT_SECONDS
    idle: float = PATIENT_SECONDS
    total: float = PATIENT_SECONDS


def asking(text: str, model: str = "demo-n50-r0-d0", **more) -> ModelRequest:
    return ModelRequest(model=model, messages=(ChatMessage("user", (TextPart(text),)),), **more)


async def ask(
    upstream: DemoServer, dialect_name: str, request: ModelRequest, patience: Patience | None = None
) -> Heard:
    """Everything that was heard; an error of any kind is the last delta, as `Failed`."""
    heard = Heard()
    patience = patience or Patience()
    try:
        async with asyncio.timeout(patience.total), ModelClient() as client:
            await _attempt(client, upstream, dialect_name, request, patience, heard)
    except TimeoutError:
        heard.deltas.append(Failed(ProviderTimeout("total")))
    except ProviderError as error:
        heard.deltas.append(Failed(error))
    return heard


async def _attempt(
    client: ModelClient,
    upstream: DemoServer,
    dialect_name: str,
    request: ModelRequest,
    patience: Patience,
    heard: Heard,
) -> None:
    dialect = DIALECTS[dialect_name]
    clock = asyncio.get_running_loop().time
    first_token_by = clock() + patience.first_token
    wire = dialect.build(request, api_key="any key")
    endpoint = Endpoint(upstream.base_url_for(dialect_name))
    call = client.call(endpoint, wire, connect_seconds=PATIENT_SECONDS)
    answer = await _within(first_token_by - clock(), "first_token", call.__aenter__())
    try:
        if answer.status >= 400:
            raise dialect.read_error(answer.status, answer.headers, await answer.error_body())
        decoder = dialect.decoder(content_type=answer.content_type)
        await _listen(answer, decoder, first_token_by, patience.idle, heard)
    finally:
        await call.__aexit__(None, None, None)


async def _listen(
    answer: UpstreamAnswer, decoder: Decoder, first_token_by: float, idle_seconds: float, heard: Heard
) -> None:
    """Signs of life that say nothing do not put off the first token's deadline."""
    clock = asyncio.get_running_loop().time
    chunks = answer.chunks()
    waiting = True
    try:
        while True:
            seconds, phase = (first_token_by - clock(), "first_token") if waiting else (idle_seconds, "idle")
            chunk = await _within(seconds, phase, _next(chunks))
            if chunk is None:
                break
            deltas = decoder.feed(chunk)
            heard.deltas += deltas
            waiting = waiting and not any(isinstance(delta, _SHOWN) for delta in deltas)
    except ProviderCut as cut:
        heard.deltas += decoder.abort(cut.detail)
    else:
        heard.deltas += decoder.close()


async def _next(chunks: AsyncIterator[bytes]) -> bytes | None:
    return await anext(chunks, None)


async def _within(seconds, phase, awaitable):
    try:
        async with asyncio.timeout(seconds) as deadline:
            return await awaitable
    except TimeoutError:
        if deadline.expired():
            raise ProviderTimeout(phase) from None
        raise
