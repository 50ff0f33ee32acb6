"""What the settings say about the built-in tools, as values. The one file here that reads settings."""

from django.conf import settings
from django.core.cache import caches
from django.core.exceptions import ImproperlyConfigured
from msgspec import Struct

from tools.cache import DjangoCache
from tools.net.policy import Policy


class WeatherService(Struct, frozen=True):
    """Base URLs without a slash at the end."""

    forecast_url: str
    geocoding_url: str


class QuoteService(Struct, frozen=True):
    """`url` has `{symbol}` and maybe `{key}` in it; `fields` says where in the answer each value stands."""

    url: str
    key: str
    fields: dict[str, str]


def outbound_policy() -> Policy:
    """
    Raises:
        ImproperlyConfigured: an entry of TOOLS_ALLOWED_HOSTS is no host, address or network.
    """
    try:
        return Policy.of(settings.TOOLS_ALLOWED_HOSTS)
    except ValueError as error:
        raise ImproperlyConfigured(f"TOOLS_ALLOWED_HOSTS: {error}") from None


def weather_service() -> WeatherService:
    return WeatherService(settings.WEATHER_URL.rstrip("/"), settings.GEOCODING_URL.rstrip("/"))


def quote_service() -> QuoteService:
    """
    Raises:
        ImproperlyConfigured: STOCK_QUOTE_FIELDS is no list of `name=path`.
    """
    pairs = [entry.partition("=") for entry in settings.STOCK_QUOTE_FIELDS]
    fields = {name.strip(): path.strip() for name, _, path in pairs}
    if not fields.get("price") or not all(fields.values()):
        raise ImproperlyConfigured("STOCK_QUOTE_FIELDS is a list of name=path, one of them for price.")
    return QuoteService(settings.STOCK_QUOTE_URL, settings.STOCK_QUOTE_KEY, fields)


def task_queues() -> frozenset[str]:
    """Those that workers of this site take tasks from."""
    return frozenset(queue.name for queue in settings.CELERY_TASK_QUEUES)


def task_seconds() -> float:
    """After which a task is told to end, whichever tool it runs."""
    return float(settings.CELERY_TASK_SOFT_TIME_LIMIT)


def site_cache() -> DjangoCache:
    """For the contexts of invocations."""
    return DjangoCache(caches["default"], settings.TOOLS_CACHE_SECONDS)
