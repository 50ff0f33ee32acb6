"""Where a request comes from, for the lock against guessing passwords."""

from ipaddress import ip_address

from django.conf import settings
from django.http import HttpRequest


def address_of(request: HttpRequest) -> str:
    """The peer's address, or behind `PROXY_COUNT` proxies what the outermost of them wrote.

    Each proxy adds to X-Forwarded-For, at the right end, whom it was asked by. What stands further left came with the
    request: anybody may write there whatever they like.
    """
    peer = str(request.META.get("REMOTE_ADDR", ""))
    if not settings.PROXY_COUNT:
        return peer
    named = [part.strip() for part in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",") if part.strip()]
    # Fewer than expected: somebody came in behind a proxy, or past it; the outermost known is the one to count.
    outermost = named[-settings.PROXY_COUNT :][0] if named else peer
    try:
        return str(ip_address(outermost))
    except ValueError:
        return peer
