"""What a provider offers, and whether it answers: one list and one streamed hello."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal

from msgspec import Struct
from msgspec.structs import replace

from chat.actions.provider_offers import listing, read_models
from chat.conf import DEMO_URL
from chat.demo import start_demo_upstream
from chat.engine.offers import deadlines_of, endpoint_of
from chat.exceptions import ProviderGarbage
from chat.llm.attempt import CallFacts, ModelCall
from chat.llm.client import Endpoint, ModelClient
from chat.llm.deltas import Delta, TextDelta, Usage, UsageReported
from chat.llm.dialects.registry import DIALECTS
from chat.llm.messages import ChatMessage, ModelRequest, Options, TextPart
from chat.models import LanguageModel, Provider
from chat.resilience.deadline import Clockwork
from chat.usage.pricing import PriceList, cost_of

LIST_SECONDS = 10.0
HELLO_TOKENS = 64


class Hello(Struct, frozen=True):
    """How an answer to "hello" went. `cost` None: the price or the tokens are not known."""

    text: str
    first_token_seconds: float | None
    seconds: float
    usage: Usage | None
    cost: Decimal | None
    currency: str


async def listed_models(provider: Provider) -> list[str]:
    """The names of what it offers, in its order.

    Raises:
        ProviderError: it does not answer, refuses, or answers with something else.
    """
    dialect, key = DIALECTS[provider.dialect], provider.read_key()
    path, headers = listing(provider.dialect, key)
    async with _endpoint(provider) as endpoint, ModelClient() as client:
        asked = replace(endpoint, headers={**headers, **endpoint.headers})
        status, body = await client.get(asked, path, seconds=LIST_SECONDS)
    if status >= 400:
        raise dialect.read_error(status, {}, body)
    models = read_models(body)
    if not models:
        raise ProviderGarbage("The provider listed no model.", detail=f"HTTP {status}, {len(body)} bytes")
    return models


async def say_hello(model: LanguageModel, price: PriceList | None) -> Hello:
    """One streamed answer, without limits, breaker or retries: what is wrong is wrong.

    Raises:
        ProviderError: it is not whole.
    """
    provider = model.provider
    said: list[str] = []
    usage: Usage | None = None

    def tell(deltas: list[Delta]) -> None:
        nonlocal usage
        for delta in deltas:
            if isinstance(delta, TextDelta):
                said.append(delta.text)
            elif isinstance(delta, UsageReported):
                usage = delta.usage.together()

    facts = CallFacts()
    began = time.monotonic()
    async with _endpoint(provider) as endpoint, ModelClient() as client:
        dialect = DIALECTS[provider.dialect]
        call = ModelCall(
            client=client,
            clockwork=Clockwork(time.monotonic),
            clock=time.monotonic,
            dialect=dialect,
            endpoint=endpoint,
            deadlines=deadlines_of(provider, reasons="reasoning" in model.capabilities),
            facts=facts,
        )
        await call.run(dialect.build(_hello(model), api_key=provider.read_key()), tell)
    shown_at = facts.first_token_at
    return Hello(
        text="".join(said),
        first_token_seconds=None if shown_at is None else shown_at - began,
        seconds=time.monotonic() - began,
        usage=usage,
        cost=cost_of(usage, price) if usage is not None and price is not None else None,
        currency=price.currency if price is not None else "",
    )


def _hello(model: LanguageModel) -> ModelRequest:
    # A model that reasons may spend any small limit on its thoughts.
    most = None if "reasoning" in model.capabilities else HELLO_TOKENS
    return ModelRequest(
        model=model.name,
        messages=(ChatMessage("user", (TextPart("hello"),)),),
        options=Options(max_output_tokens=most),
        capabilities=frozenset(model.capabilities),
    )


@asynccontextmanager
async def _endpoint(provider: Provider) -> AsyncIterator[Endpoint]:
    """Where it is; the scripted one is started for as long as it is asked."""
    if provider.base_url != DEMO_URL:
        yield endpoint_of(provider)
        return
    demo = await start_demo_upstream()
    try:
        yield Endpoint(base_url=demo.base_url_for(provider.dialect), headers=provider.headers)
    finally:
        await demo.close()
