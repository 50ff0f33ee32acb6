"""Adding providers and their models. Adding twice is adding once."""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_slug
from django.db import transaction
from msgspec import Struct

from chat.actions.prices import give_list_prices, set_price
from chat.conf import DEMO_URL
from chat.exceptions import InvalidRequest
from chat.llm import catalog
from chat.llm.dialects.registry import DIALECTS
from chat.models import LanguageModel, Provider
from chat.usage.list_prices import bundled
from chat.usage.pricing import PriceList

DEMO = "demo"
DEMO_CAPABILITIES = ["tools", "vision", "reasoning"]
MOST_PRICE = Decimal(10**6)


class ProviderSpec(Struct, frozen=True):
    """A provider as somebody describes it. `models` may be empty where it is known already; `prices` by model."""

    name: str
    dialect: str
    base_url: str
    key_env: str = ""
    models: tuple[str, ...] = ()
    prices: Mapping[str, PriceList] = {}


def ensure_demo_provider() -> Provider:
    """The scripted upstream inside the app, so that there is always one that answers. What an administrator has
    changed about it stays changed."""
    provider, _ = Provider.objects.get_or_create(
        name=DEMO, defaults={"dialect": "openai_chat", "base_url": DEMO_URL}
    )
    model, made = LanguageModel.objects.get_or_create(
        provider=provider, name=DEMO, defaults={"capabilities": DEMO_CAPABILITIES}
    )
    if made:
        set_price(model, PriceList(Decimal(0), Decimal(0), currency=settings.CURRENCY))
    return provider


def prepare_first_start() -> None:
    """What a server makes sure of before it listens. Safe to call at every start, by several processes at once."""
    ensure_demo_provider()


def read_price(text: str, currency: str) -> tuple[str, PriceList]:
    """`MODEL=IN/OUT`, per million tokens, split at the last `=` because models' names may hold one.

    Raises:
        InvalidRequest: it is not of that form.
    """
    model, equals, figures = text.rpartition("=")
    read, slash, written = figures.partition("/")
    if not (model and equals and slash):
        raise InvalidRequest(
            f"Not a price: {text!r}. Expected MODEL=IN/OUT, such as gpt-5=1.25/10.", field="price"
        )
    return model, PriceList(_amount(read, text), _amount(written, text), currency=currency)


def _amount(figure: str, text: str) -> Decimal:
    try:
        amount = Decimal(figure.strip())
    except InvalidOperation:
        amount = Decimal("NaN")
    # The column holds six places on either side of the point.
    if not amount.is_finite() or not 0 <= amount < MOST_PRICE or amount != round(amount, 6):
        raise InvalidRequest(
            f"Not a price: {figure!r} in {text!r}. Expected a decimal from 0 up to a million, at most 6 places.",
            field="price",
        )
    return amount


@transaction.atomic
def add_provider(spec: ProviderSpec) -> list[str]:
    """Adds the provider and its models, or changes what differs; says in sentences what it did.

    Models that are not named stay as they are. A new price is a new row from now on; the old one is kept.
    A model without any price gets the vendor's list price.

    Raises:
        InvalidRequest: something is not as it must be; `field` says which. Nothing was changed.
    """
    _check(spec)
    said = [_save_provider(spec)]
    provider = Provider.objects.get(name=spec.name)
    said += [line for name in dict.fromkeys(spec.models) for line in _add_model(provider, name)]
    for name, price in spec.prices.items():
        model = provider.models.filter(name=name).first()
        if model is None:
            raise InvalidRequest(f"{spec.name} has no model {name!r} to put a price on.", field="price")
        said += set_price(model, price)
    unpriced = provider.models.filter(name__in=spec.models, prices=None).select_related("provider")
    return said + give_list_prices(unpriced, bundled())


def _check(spec: ProviderSpec) -> None:
    try:
        validate_slug(spec.name)
    except ValidationError:
        raise InvalidRequest(
            f"Not a name for a provider: {spec.name!r}. Expected letters, digits, - and _.", field="name"
        ) from None
    if len(spec.name) > 60:
        raise InvalidRequest("A provider's name has at most 60 characters.", field="name")
    if spec.dialect not in DIALECTS:
        raise InvalidRequest(
            f"No such dialect: {spec.dialect!r}. There is: {', '.join(DIALECTS)}.", field="dialect"
        )
    check_base_url(spec.base_url)
    if not spec.models and not Provider.objects.filter(name=spec.name).exists():
        raise InvalidRequest("A new provider needs at least one model.", field="model")
    for name in spec.models:
        if not name.strip() or len(name) > 140 or not name.isprintable():
            raise InvalidRequest(f"Not a model's name: {name!r}.", field="model")


def check_base_url(url: str) -> None:
    """Raises `InvalidRequest` unless it is http, https or `demo:`, ending where the dialect's path would begin."""
    if url == DEMO_URL:
        return
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname and (parts.port or 1)
    except ValueError:
        usable = None
    if not usable or parts.query or parts.fragment or not url.isprintable() or " " in url or len(url) > 500:
        raise InvalidRequest(
            f"Not a base URL: {url!r}. Expected http://…, https://… or demo:", field="base_url"
        )
    if parts.username or parts.password:
        raise InvalidRequest("A key does not belong into the URL; name its variable.", field="base_url")
    for path in ("/chat/completions", "/responses", "/v1/messages"):
        if parts.path.rstrip("/").endswith(path):
            raise InvalidRequest(f"The base URL ends before {path}.", field="base_url")


def _save_provider(spec: ProviderSpec) -> str:
    values = {
        "dialect": spec.dialect,
        "base_url": spec.base_url if spec.base_url == DEMO_URL else spec.base_url.rstrip("/"),
        "key_env": spec.key_env,
    }
    provider = Provider.objects.filter(name=spec.name).first()
    if provider is None:
        Provider.objects.create(name=spec.name, **values)
        return f"Added the provider {spec.name} ({values['dialect']}, {values['base_url']})."
    # No --key-env is no wish to lose the key that is there.
    if not spec.key_env:
        del values["key_env"]
    changed = [field for field, value in values.items() if getattr(provider, field) != value]
    if not changed:
        return f"The provider {spec.name} was there already."
    for field in changed:
        setattr(provider, field, values[field])
    provider.save(update_fields=[*changed, "updated_at"])
    return f"Changed the provider {spec.name}: " + ", ".join(f"{f} is {values[f]}" for f in changed) + "."


def _add_model(provider: Provider, name: str) -> list[str]:
    entry = catalog.look_up(name)
    known = DEMO_CAPABILITIES if provider.base_url == DEMO_URL else list(entry.capabilities if entry else ())
    _, made = LanguageModel.objects.get_or_create(
        provider=provider,
        name=name,
        defaults={
            "context_window": entry.context_window if entry else None,
            "max_output_tokens": entry.max_output_tokens if entry else None,
            "capabilities": known,
        },
    )
    return [f"Added the model {provider.name}/{name}."] if made else []
