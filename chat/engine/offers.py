"""What can be asked: models with everything a call to them needs, looked up once a second at most."""

import threading
from collections.abc import Callable
from uuid import UUID

from django.conf import settings
from msgspec import Struct

from chat.conf import Deadlines
from chat.llm.client import Endpoint
from chat.models import LanguageModel, Provider, User
from chat.usage.pricing import PriceList

REMEMBER_SECONDS = 1.0
REMEMBER_MOST = 1000


class Offer(Struct, frozen=True):
    """A language model as it is offered now: name, place, key, limits and price."""

    model: UUID
    name: str
    provider: str
    dialect: str
    endpoint: Endpoint
    api_key: str
    deadlines: Deadlines
    price: PriceList | None
    max_output_tokens: int | None
    capabilities: frozenset[str]

    @property
    def full_name(self) -> str:
        return f"{self.provider}/{self.name}"


def offer_of(model: LanguageModel) -> Offer:
    """
    Raises:
        ProviderAuth: the provider's key cannot be read.
    """
    provider = model.provider
    price = model.price_at()
    return Offer(
        model=model.pk,
        name=model.name,
        provider=provider.name,
        dialect=provider.dialect,
        endpoint=Endpoint(base_url=provider.base_url.rstrip("/"), headers=provider.headers),
        api_key=provider.read_key(),
        deadlines=deadlines_of(provider),
        price=PriceList.of(price) if price is not None else None,
        max_output_tokens=model.max_output_tokens,
        capabilities=frozenset(model.capabilities),
    )


def deadlines_of(provider: Provider) -> Deadlines:
    return Deadlines(
        connect_seconds=provider.connect_seconds or settings.CONNECT_SECONDS,
        first_token_seconds=provider.first_token_seconds or settings.FIRST_TOKEN_SECONDS,
        idle_seconds=provider.idle_seconds or settings.IDLE_SECONDS,
        total_seconds=provider.total_seconds or settings.TOTAL_SECONDS,
    )


class Offers:
    """Remembers offers for a second: two queries and a decryption less before most first tokens.

    Changes in the admin count from the next second on, in every process. Safe to use from several threads.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
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
        offer = offer_of(LanguageModel.objects.available_to(user).named(name))
        with self._lock:
            if len(self._known) >= REMEMBER_MOST:
                self._known.clear()
            self._known[(user.pk, name)] = (now, offer)
        return offer
