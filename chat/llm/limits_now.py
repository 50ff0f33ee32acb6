"""What staff see of the safeguards: the figures of this moment, gathered in a few trips."""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from chat.conf import CallLimits
from chat.llm.safeguards import Safeguards
from chat.resilience.adaptive_limit import AdaptiveView
from chat.resilience.backends.base import BreakerView, Bucket, BucketView
from chat.resilience.retry import BudgetView

MOST_USERS: Final = 10
MOST_PROVIDERS: Final = 1000


class UserNow(Struct, frozen=True):
    """Places are over all providers and processes; `waiting` is this process's."""

    user: str
    calls: int
    waiting: int


class ModelNow(Struct, frozen=True):
    """`waiting` for one of its buckets, in this process."""

    model: str
    requests: BucketView
    tokens: BucketView
    waiting: int


class ProviderNow(Struct, frozen=True):
    """`waiting` for a place of the provider, `users_waiting` for one of their own with any provider: this process's,
    as are `adaptive` and `retries` (None: not called yet). The rest is over all processes, unless `alone`."""

    shared: bool
    alone: bool
    breaker: BreakerView
    calls: int
    bucket: BucketView
    models: tuple[ModelNow, ...]
    users: tuple[UserNow, ...]
    adaptive: AdaptiveView | None
    retries: BudgetView | None
    waiting: int
    users_waiting: int


class ProviderRow(Struct, frozen=True):
    """One provider among all. `waiting` counts all who wait for it in this process."""

    breaker: BreakerView
    calls: int
    waiting: int
    adaptive: AdaptiveView | None


class Overview(Struct, frozen=True):
    """`hosts` are those whose breaker is not closed, or has counted failures."""

    shared: bool
    alone: bool
    providers: dict[str, ProviderRow]
    hosts: dict[str, BreakerView]


async def provider_now(
    safeguards: Safeguards, provider: str, models: Sequence[str], limits: CallLimits
) -> ProviderNow:
    """`provider` and `models` by their keys, as in `CallTarget`."""
    key = f"provider:{provider}"
    asked = [Bucket(key, limits.calls_per_second, limits.calls_burst)]
    asked += [Bucket(f"{kind}:{model}") for model in models for kind in ("requests", "tokens")]
    level, *levels = await safeguards.limiter.levels(asked)
    breakers = await safeguards.breakers.views()
    busiest = await safeguards.places.busiest("user:", MOST_USERS)
    lines = safeguards.places.lines()
    return ProviderNow(
        calls=await safeguards.places.in_use(key),
        shared=safeguards.shared,
        alone=safeguards.alone,
        breaker=breakers.get(key, BreakerView()),
        bucket=level,
        models=tuple(
            ModelNow(
                model, levels[2 * at], levels[2 * at + 1], safeguards.limiter.waiting(f"requests:{model}")
            )
            for at, model in enumerate(models)
        ),
        users=tuple(
            UserNow(name.removeprefix("user:"), calls, lines.get(name, 0)) for name, calls in busiest
        ),
        adaptive=safeguards.adaptive_view(provider),
        retries=safeguards.budget_view(provider),
        waiting=lines.get(key, 0),
        users_waiting=sum(count for name, count in lines.items() if name.startswith("user:")),
    )


async def overview(safeguards: Safeguards, providers: dict[str, Sequence[str]]) -> Overview:
    """`providers` with their models, by key."""
    breakers = await safeguards.breakers.views()
    calls = dict(await safeguards.places.busiest("provider:", MOST_PROVIDERS))
    places, buckets = safeguards.places.lines(), safeguards.limiter.lines()
    rows = {}
    for provider, models in providers.items():
        key, adaptive = f"provider:{provider}", safeguards.adaptive_view(provider)
        waiting = places.get(key, 0) + sum(buckets.get(f"requests:{model}", 0) for model in models)
        rows[provider] = ProviderRow(
            breakers.get(key, BreakerView()),
            calls.get(key, 0),
            waiting + (adaptive.waiting if adaptive is not None else 0),
            adaptive,
        )
    hosts = {
        key.removeprefix("host:"): view
        for key, view in breakers.items()
        if key.startswith("host:") and (view.state != "closed" or view.failures)
    }
    return Overview(safeguards.shared, safeguards.alone, rows, hosts)
