"""Who may open a socket: browsers from our own pages, signed in by their session."""

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

import structlog
from channels.security.websocket import WebsocketDenier
from django.conf import settings

logger = structlog.get_logger(__name__)

Scope = dict[str, Any]
Application = Callable[
    [Scope, Callable[..., Awaitable[Any]], Callable[..., Awaitable[None]]], Awaitable[None]
]

DEFAULT_PORTS = {"http": 80, "https": 443}


class OwnOriginOnly:
    """Refuses the handshake (403) unless Origin is the very site that was asked, or a trusted one.

    Channels' own validator ignores scheme and port; with cookies for credentials both count.
    """

    def __init__(self, application: Application) -> None:
        self._application = application

    async def __call__(
        self, scope: Scope, receive: Callable[..., Awaitable[Any]], send: Callable[..., Awaitable[None]]
    ) -> None:
        headers = dict(scope["headers"])
        origin = headers.get(b"origin", b"").decode("latin-1")
        if allowed(origin, host=headers.get(b"host", b"").decode("latin-1"), secure=_secure(scope, headers)):
            await self._application(scope, receive, send)
            return
        logger.info("socket refused", origin=origin)
        await WebsocketDenier()(scope, receive, send)


def allowed(origin: str, *, host: str, secure: bool) -> bool:
    if not origin or origin == "null":
        return False
    if origin in settings.CSRF_TRUSTED_ORIGINS:
        return True
    return _site(origin) == _site(f"{'https' if secure else 'http'}://{host}") and bool(host)


def _site(url: str) -> tuple[str, str, int | None] | None:
    try:
        parts = urlsplit(url)
        return parts.scheme, (parts.hostname or "").lower(), parts.port or DEFAULT_PORTS.get(parts.scheme)
    except ValueError:
        return None


def _secure(scope: Scope, headers: dict[bytes, bytes]) -> bool:
    if settings.HTTPS:
        # Set only where a proxy that we trust ends TLS.
        return headers.get(b"x-forwarded-proto", b"https").startswith(b"https")
    return scope.get("scheme") in ("wss", "https")
