"""Who may open a socket: browsers from our own pages, signed in by their session, and programs by an API token.

Channels' own stack is not used for two reasons: its origin validator ignores scheme and port, and its session
middleware wraps `send`, which costs several µs on every frame of every answer.
"""

from collections.abc import Awaitable, Callable, Collection, Sequence
from http.cookies import CookieError, SimpleCookie
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from uuid import UUID

import structlog
from channels.security.websocket import WebsocketDenier
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.http.request import split_domain_port, validate_host
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from chat.actions.tokens import bearer_of, token_of
from chat.models import ApiToken, User

logger = structlog.get_logger(__name__)

Scope = dict[str, Any]
Application = Callable[
    [Scope, Callable[..., Awaitable[Any]], Callable[..., Awaitable[None]]], Awaitable[None]
]

DEFAULT_PORTS = {"http": 80, "https": 443}


class OwnOriginOnly:
    """Refuses the handshake (403) unless Host is ours, and Origin the very site that was asked, or a trusted one.

    Of who brings an API token the Origin is not asked: no page can send that header, and cookies are then not looked
    at.
    """

    def __init__(self, application: Application) -> None:
        self._application = application

    async def __call__(
        self, scope: Scope, receive: Callable[..., Awaitable[Any]], send: Callable[..., Awaitable[None]]
    ) -> None:
        headers = dict(scope["headers"])
        origin = headers.get(b"origin", b"").decode("latin-1")
        host = headers.get(b"host", b"").decode("latin-1")
        fine = bearer(scope) is not None or allowed(origin, host=host, secure=_secure(scope, headers))
        if ours(host) and fine:
            await self._application(scope, receive, send)
            return
        logger.info("socket refused", origin=origin[:200], host=host[:200])
        await WebsocketDenier()(scope, receive, send)


def ours(host: str) -> bool:
    """Whether Django would answer this Host: else whoever owns a name may point it at us, and be its own origin."""
    hosts = settings.ALLOWED_HOSTS or ([".localhost", "127.0.0.1", "[::1]"] if settings.DEBUG else [])
    domain, _port = split_domain_port(host)
    return bool(domain) and validate_host(domain, hosts)


def allowed(origin: str, *, host: str, secure: bool) -> bool:
    if not origin or origin == "null":
        return False
    if origin in settings.CSRF_TRUSTED_ORIGINS:
        return True
    site = _site(origin)
    return site is not None and site == _site(f"{'https' if secure else 'http'}://{host}")


def session_key(scope: Scope) -> str:
    """The session cookie of a handshake; "" where there is none."""
    raw = dict(scope["headers"]).get(b"cookie", b"").decode("latin-1")
    try:
        cookie = SimpleCookie(raw).get(settings.SESSION_COOKIE_NAME)
    except CookieError:
        return ""
    # Ours have letters and digits alone; a NUL is no question that PostgreSQL takes.
    return cookie.value if cookie is not None and cookie.value.isalnum() else ""


def bearer(scope: Scope) -> str | None:
    """The API token of a handshake, whatever it is worth; None where there is none."""
    return bearer_of(dict(scope["headers"]).get(b"authorization", b"").decode("latin-1"))


class Credential(NamedTuple):
    """What a socket was opened with, to be checked again: the session, and the password's hash of that time; or the
    API token, which a new password leaves alone."""

    session: str
    user: UUID
    password: str
    token: UUID | None = None


class Caller(NamedTuple):
    user: User
    credential: Credential
    token: ApiToken | None = None


def caller_of(scope: Scope) -> Caller | None:
    """Whose handshake it is; None: nobody's. A token that does not hold is not made good by a session beside it.

    For the database's threads.
    """
    if (secret := bearer(scope)) is not None:
        token = token_of(secret, now=timezone.now())
        if token is None:
            return None
        return Caller(token.owner, Credential("", token.owner.pk, "", token.pk), token)
    key = session_key(scope)
    user = user_of_session(key)
    return None if user is None else Caller(user, Credential(key, user.pk, user.password))


def user_of_session(key: str) -> User | None:
    """The active user who is signed in with this session, as Django's own `get_user` decides; None: nobody is.

    For the database's threads.
    """
    if not key:
        return None
    session = SessionStore(key)
    if session.get(BACKEND_SESSION_KEY) not in settings.AUTHENTICATION_BACKENDS:
        return None
    key_of_user = session.get(SESSION_KEY)
    if key_of_user is None:
        return None
    user = User.objects.filter(pk=key_of_user, is_active=True).first()
    if user is None:
        return None
    stored = session.get(HASH_SESSION_KEY, "")
    hashes = [user.get_session_auth_hash(), *user.get_session_auth_fallback_hash()]
    # The hash changes with the password: that is what ends the other sessions.
    return user if any(constant_time_compare(stored, one) for one in hashes) else None


def still_good(credentials: Sequence[Credential]) -> set[Credential]:
    """Those whose session lives, whose user is active, and whose password is the same; and those whose token holds.
    For the database's threads."""
    by_token = {one for one in credentials if one.token is not None}
    return _sessions_good([one for one in credentials if one.token is None]) | _tokens_good(by_token)


def _tokens_good(credentials: Collection[Credential]) -> set[Credential]:
    if not credentials:
        return set()
    usable = ApiToken.objects.usable(timezone.now()).filter(pk__in={one.token for one in credentials})
    good = set(usable.values_list("pk", flat=True))
    return {one for one in credentials if one.token in good}


def _sessions_good(credentials: Sequence[Credential]) -> set[Credential]:
    if not credentials:
        return set()
    sessions = Session.objects.filter(
        pk__in={one.session for one in credentials}, expire_date__gt=timezone.now()
    )
    users = User.objects.filter(pk__in={one.user for one in credentials}, is_active=True)
    alive, passwords = set(sessions.values_list("pk", flat=True)), dict(users.values_list("pk", "password"))
    return {one for one in credentials if one.session in alive and passwords.get(one.user) == one.password}


def _site(origin: str) -> tuple[str, str, int | None] | None:
    """Scheme, host and port; None for what is no origin, or one with more to it (RFC 6454, 6.2)."""
    try:
        parts = urlsplit(origin)
        port = parts.port or DEFAULT_PORTS.get(parts.scheme)
    except ValueError:
        return None
    if not parts.hostname or "@" in parts.netloc or f"{parts.scheme}://{parts.netloc}" != origin:
        return None
    return parts.scheme, parts.hostname.lower(), port


def _secure(scope: Scope, headers: dict[bytes, bytes]) -> bool:
    if settings.HTTPS:
        # Set only where a proxy that we trust ends TLS.
        return headers.get(b"x-forwarded-proto", b"https").startswith(b"https")
    return scope.get("scheme") in ("wss", "https")
