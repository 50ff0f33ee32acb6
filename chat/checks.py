"""System checks of our own: settings that only make sense together."""

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import Error, register

SHORTEST_TOKEN = 16


@register()
def lease_outlives_heartbeats(**_: Any) -> list[Error]:
    if settings.LEASE_SECONDS < 3 * settings.HEARTBEAT_SECONDS:
        return [
            Error(
                "LEASE_SECONDS must be at least three times HEARTBEAT_SECONDS, or a busy process loses its runs.",
                id="chat.E001",
            )
        ]
    return []


@register()
def metrics_token_cannot_be_guessed(**_: Any) -> list[Error]:
    if 0 < len(settings.METRICS_TOKEN) < SHORTEST_TOKEN:
        return [
            Error(
                f"METRICS_TOKEN must have at least {SHORTEST_TOKEN} characters, or be empty.", id="chat.E003"
            )
        ]
    return []


@register()
def audit_heads_are_signed(**_: Any) -> list[Error]:
    if settings.AUDIT_HEADS_URL and not settings.AUDIT_HEADS_SECRET.startswith("whsec_"):
        return [Error("AUDIT_HEADS_URL needs AUDIT_HEADS_SECRET, which begins with whsec_.", id="chat.E010")]
    return []


@register()
def redis_urls_can_be_read(**_: Any) -> list[Error]:
    return [
        error
        for name, number in (("REDIS_URL", "chat.E002"), ("BROKER_URL", "chat.E004"))
        for error in _redis_url(name, number)
    ]


def _redis_url(name: str, number: str) -> list[Error]:
    url = getattr(settings, name)
    if not url or url.startswith("memory:"):
        return []
    # Only where it is configured: importing it takes a tenth of a second.
    from chat.resilience.backends.redis import connect

    try:
        connect(url)
    except ValueError as error:
        return [Error(f"{name} cannot be read: {error}", id=number)]
    database = urlsplit(url).path.strip("/")
    if database and not database.isdecimal() and not url.startswith("unix:"):
        return [Error(f"{name} cannot be read: the database is a number, not {database!r}.", id=number)]
    return []


@register()
def lease_outlives_webhooks(**_: Any) -> list[Error]:
    if settings.WEBHOOK_LEASE_SECONDS < 2 * settings.WEBHOOK_SECONDS:
        return [
            Error(
                "WEBHOOK_LEASE_SECONDS must be at least twice WEBHOOK_SECONDS, or a slow receiver gets it twice.",
                id="chat.E004",
            )
        ]
    return []
