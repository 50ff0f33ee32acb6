"""/livez, /readyz and /metrics, in front of everything else.

They are answered on the event loop, before Django: no thread, no session, no redirect to https, and no look at the
Host header, in which probes put an address. Whom /metrics does not answer gets what any absent page gives.
"""

import hmac
import json
from collections.abc import Iterable
from ipaddress import IPv6Address, ip_address
from typing import Any, Final

from django.conf import settings
from django.http.request import split_domain_port

from project.health import Readiness
from project.request_lines import Application, Receive, Scope, Send
from project.scrape import Scrape

JSON: Final = "application/json"
FROM_A_PROXY: Final = ("x-forwarded-", "forwarded", "x-real-ip", "x-client-ip", "cf-connecting-ip", "via")


class MachinePages:
    def __init__(
        self, application: Application, *, readiness: Readiness | None = None, scrape: Scrape | None = None
    ) -> None:
        self._application = application
        self._readiness = readiness or Readiness()
        self._scrape = scrape or Scrape()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        if scope["method"] not in ("GET", "HEAD"):
            await self._application(scope, receive, send)
        elif path == "/livez":
            await _answer(scope, send, 200, JSON, _json({"status": "ok"}))
        elif path == "/readyz":
            status, said = await self._readiness.look()
            await _answer(scope, send, status, JSON, _json(said))
        elif path == "/metrics" and may_read_metrics(scope, settings.METRICS_TOKEN):
            body, content_type = await self._scrape.page(_header(scope, "accept"))
            await _answer(scope, send, 200, content_type, body)
        else:
            await self._application(scope, receive, send)


def may_read_metrics(scope: Scope, token: str) -> bool:
    """With a token whoever sends it, from wherever; without one only this machine, and past no proxy."""
    if not token:
        return _is_direct_and_local(scope)
    scheme, _, given = _header(scope, "authorization").partition(" ")
    return scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), token.encode())


def _is_direct_and_local(scope: Scope) -> bool:
    names = [bytes(name).decode("latin-1").lower() for name, _ in scope["headers"]]
    if any(name.startswith(FROM_A_PROXY) for name in names):
        return False
    host, _port = split_domain_port(_header(scope, "host"))
    # The Host too: some proxies say nothing of whom they speak for, and a name may be pointed at this machine.
    return (host == "localhost" or _is_loopback(host.strip("[]"))) and _is_loopback(
        (scope.get("client") or ("",))[0]
    )


def _is_loopback(address: str) -> bool:
    try:
        found = ip_address(address)
    except ValueError:
        return False
    if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
        return found.ipv4_mapped.is_loopback
    return found.is_loopback


def _header(scope: Scope, name: str) -> str:
    headers: Iterable[tuple[bytes, bytes]] = scope["headers"]
    return next((bytes(value).decode("latin-1") for key, value in headers if key == name.encode()), "")


def _json(said: dict[str, object]) -> bytes:
    return json.dumps(said).encode()


async def _answer(scope: Scope, send: Send, status: int, content_type: str, body: bytes) -> None:
    headers: list[Any] = [
        (b"content-type", content_type.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})
