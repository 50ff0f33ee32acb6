"""What can be asked: models with everything a call to them needs, looked up once a second at most."""

import threading
from collections.abc import Callable
from decimal import Decimal
from uuid import UUID

from django.conf import settings
from django.db import transaction
from msgspec import Struct

from chat.conf import DEMO_URL, CallLimits, Deadlines
from chat.exceptions import ProviderAuth
from chat.llm.client import Endpoint
from chat.models import LanguageModel, Provider, User
from chat.usage.estimates import ONE, Ratios
from chat.usage.pricing import PriceList

MOST_MODELS = 3
"""That one run asks, one after another."""
REMEMBER_SECONDS = 1.0
REMEMBER_MOST = 1000


class Offer(Struct, frozen=True):
    """A language model as it is offered now: name, place, key, limits and price."""

    model: UUID
    name: str
    provider: str
    provider_key: UUID
    dialect: str
    endpoint: Endpoint
    api_key: str
    deadlines: Deadlines
    limits: CallLimits
    price: PriceList | None
    ratios: Ratios
    max_output_tokens: int | None
    capabilities: frozenset[str]
    following: "Offer | None" = None
    """Of the model that is asked where this one does not answer."""

    @property
    def full_name(self) -> str:
        return f"{self.provider}/{self.name}"


def offer_of(model: LanguageModel, user: User, *, before: tuple[UUID, ...] = ()) -> Offer:
    """`before` are the models that name this one as their next. Whether this user may use it is asked of those that
    follow alone: what has begun goes on.

    Raises:
        ProviderAuth: the provider's key cannot be read.
    """
    provider = model.provider
    price = model.price_at()
    return Offer(
        model=model.pk,
        name=model.name,
        provider=provider.name,
        provider_key=provider.pk,
        dialect=provider.dialect,
        endpoint=endpoint_of(provider),
        api_key=provider.read_key(),
        deadlines=deadlines_of(provider, reasons="reasoning" in model.capabilities),
        limits=limits_of(provider),
        price=PriceList.of(price) if price is not None else None,
        ratios=Ratios(_thousandths(model.input_ratio), _thousandths(model.output_ratio)),
        max_output_tokens=model.max_output_tokens,
        capabilities=frozenset(model.capabilities),
        following=_following(model, user, (*before, model.pk)),
    )


def _thousandths(ratio: Decimal | None) -> int:
    return ONE if ratio is None else int(ratio * ONE)


def endpoint_of(provider: Provider) -> Endpoint:
    base_url = provider.base_url.rstrip("/")
    if provider.dialect == "anthropic_messages":
        # Whoever knows the other dialects ends it with the version, which is part of this one's path.
        base_url = base_url.removesuffix("/v1")
    return Endpoint(base_url, headers=provider.headers, proxy=provider.proxy)


def _following(model: LanguageModel, user: User, before: tuple[UUID, ...]) -> Offer | None:
    """No model twice, at most `MOST_MODELS`, and none that cannot be asked now or that this user may not use."""
    if model.next_model_id is None or model.next_model_id in before or len(before) >= MOST_MODELS:
        return None
    found = LanguageModel.objects.available_to(user).filter(pk=model.next_model_id).first()
    if found is None:
        return None
    try:
        return offer_of(found, user, before=before)
    except ProviderAuth:
        return None


def deadlines_of(provider: Provider, *, reasons: bool) -> Deadlines:
    """Models that reason may think longer before they show anything; the scripted one does not."""
    first_token_seconds = provider.first_token_seconds or settings.FIRST_TOKEN_SECONDS
    if reasons and provider.base_url != DEMO_URL:
        first_token_seconds = (
            provider.first_token_reasoning_seconds
            or provider.first_token_seconds
            or settings.FIRST_TOKEN_REASONING_SECONDS
        )
    return Deadlines(
        connect_seconds=provider.connect_seconds or settings.CONNECT_SECONDS,
        first_token_seconds=first_token_seconds,
        idle_seconds=provider.idle_seconds or settings.IDLE_SECONDS,
        total_seconds=provider.total_seconds or settings.TOTAL_SECONDS,
    )


def limits_of(provider: Provider) -> CallLimits:
    said = {name: getattr(provider, name) for name in CallLimits.__struct_fields__ if name != "limited"}
    return CallLimits(
        **{name: figure for name, figure in said.items() if figure is not None},
        limited=provider.base_url != DEMO_URL,
    )


def remember_capability(model: UUID, capability: str) -> None:
    """What a model's refusal has told, for all calls from now on."""
    with transaction.atomic():
        row = LanguageModel.objects.select_for_update().filter(pk=model).first()
        if row is not None and capability not in row.capabilities:
            row.capabilities = [*row.capabilities, capability]
            row.save(update_fields=["capabilities"])


def _asks(offer: Offer | None, model: UUID) -> bool:
    return offer is not None and (offer.model == model or _asks(offer.following, model))


class Offers:
    """Remembers offers for a second: two queries and a decryption less before most first tokens.

    Changes in the admin count from the next second on, in every process. Safe to use from several threads.
    """

    def __init__(
        self, clock: Callable[[], float], *, told: Callable[[UUID, CallLimits], None] | None = None
    ) -> None:
        """`told` hears, in the caller's thread, of the figures of each provider whenever they were read."""
        self._clock = clock
        self._told = told
        self._known: dict[tuple[UUID, str], tuple[float, Offer]] = {}
        self._lock = threading.Lock()

    def named(self, user: User, name: str) -> Offer:
        """By `provider/model`, or by a bare name that only one provider has.

        Raises:
            ModelNotAvailable: no such model, or not for this user.
            ProviderAuth: the provider's key cannot be read.
        """
        now = self._clock()
        known = self._known.get((user.pk, name))
        if known is not None and now - known[0] < REMEMBER_SECONDS:
            return known[1]
        offer = offer_of(LanguageModel.objects.available_to(user).named(name), user)
        self._tell_figures(offer)
        with self._lock:
            if len(self._known) >= REMEMBER_MOST:
                self._known.clear()
            self._known[(user.pk, name)] = (now, offer)
        return offer

    def forget(self, model: UUID) -> None:
        """It is not what it was."""
        with self._lock:
            for key in [key for key, (_, offer) in self._known.items() if _asks(offer, model)]:
                del self._known[key]

    def _tell_figures(self, offer: Offer | None) -> None:
        while self._told is not None and offer is not None:
            self._told(offer.provider_key, offer.limits)
            offer = offer.following
