"""What of a call may be kept: no key, no secret header, no megabytes of images. Pure."""

import base64
import html
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final
from urllib.parse import parse_qsl, quote, quote_plus, unquote, urlencode, urlsplit, urlunsplit

from chat.llm.client import Endpoint
from chat.llm.dialects.base import WireRequest

HIDDEN: Final = "[hidden]"
SHORTEST_SECRET: Final = 6
"""What is shorter (`EMPTY`, `none`, `true`) is no secret, and would be found everywhere."""
LONGEST_HEADER: Final = 2000
MOST_HEADERS: Final = 100

_TELLING_NAME: Final = re.compile(
    r"auth|cookie|secret|password|signature|credential|session|token(?!s)|api[-_]?key|access[-_]?key|\bkey\b",
    re.IGNORECASE,
)
_PLAIN_HEADERS: Final = frozenset(
    (
        "accept", "anthropic-beta", "anthropic-version", "content-type", "http-referer", "openai-beta",
        "user-agent", "x-title",
    )
)  # fmt: skip
_PLAIN_PARAMETERS: Final = frozenset(("alt", "api-version", "beta", "version"))
# Looks back, so that each run is tried once and not from each of its letters.
_LONG_DATA: Final = re.compile(rb"(?<![A-Za-z0-9+/=_-])[A-Za-z0-9+/=_-]{2048,}")
_DATA_SHOWN: Final = 48
_PART_BYTES: Final = 65_536


class Secrets:
    """Finds the secrets of a call however they are written: plain, escaped for JSON or HTML, or for a URL."""

    def __init__(self, secrets: Iterable[str]) -> None:
        forms = {form for secret in secrets if len(secret) >= SHORTEST_SECRET for form in _forms(secret)}
        # The longest first: one may begin with another.
        self._forms = sorted((form.encode() for form in forms), key=len, reverse=True)

    def hide(self, data: bytes) -> bytes:
        # One after the other, which is faster than a pattern of all of them, and lets other threads in between.
        for form in self._forms:
            data = data.replace(form, HIDDEN.encode())
        return data

    def hide_in(self, text: str) -> str:
        return self.hide(text.encode("utf-8", "replace")).decode().replace("\0", "")

    def hide_cut(self, data: bytes) -> bytes:
        """The same where the data may end in the middle of a secret."""
        data = self.hide(data)
        begun = (
            length
            for form in self._forms
            for length in range(len(form) - 1, SHORTEST_SECRET - 1, -1)
            if data.endswith(form[:length])
        )
        return data[: len(data) - max(begun, default=0)]


def secrets_of(api_key: str, endpoint: Endpoint) -> Secrets:
    """The key, the values of the provider's own headers, and what the base URL has of its own."""
    found = [api_key]
    for name, value in endpoint.headers.items():
        if name.lower() not in _PLAIN_HEADERS:
            found += [value, *value.split()]
    return Secrets([*found, *_in_url(endpoint.base_url), *_in_url(endpoint.proxy)])


def _in_url(address: str) -> list[str]:
    """User, password, and the values of parameters."""
    try:
        url = urlsplit(address)
        user, password = unquote(url.username or ""), unquote(url.password or "")
        parameters = parse_qsl(url.query, errors="replace")
    except ValueError:
        return []
    basic = base64.b64encode(f"{user}:{password}".encode()).decode() if user or password else ""
    return [user, password, basic, *(value for name, value in parameters if name not in _PLAIN_PARAMETERS)]


def plain_url(endpoint: Endpoint, request: WireRequest, secrets: Secrets) -> str:
    """Where the request went, without user, password and the values of parameters."""
    try:
        url = urlsplit(endpoint.base_url + request.path)
        host = url.netloc.rpartition("@")
        query = [
            (name, value if name in _PLAIN_PARAMETERS else HIDDEN)
            for name, value in parse_qsl(url.query, keep_blank_values=True, errors="replace")
        ]
    except ValueError:
        return "(not a URL)"
    netloc = f"{HIDDEN}@{host[2]}" if host[1] else host[2]
    return secrets.hide_in(
        urlunsplit((url.scheme, netloc, url.path, urlencode(query, safe="[]"), url.fragment))
    )


def plain_request_headers(endpoint: Endpoint, request: WireRequest, secrets: Secrets) -> dict[str, str]:
    """The dialect's own but for the key; of the provider's only those that are known to be harmless."""
    headers = plain_headers(request.headers, secrets)
    for name, value in endpoint.headers.items():
        headers[name] = secrets.hide_in(value) if name.lower() in _PLAIN_HEADERS else HIDDEN
    return headers


def plain_headers(headers: Mapping[str, str], secrets: Secrets) -> dict[str, str]:
    return {
        name: HIDDEN if _TELLING_NAME.search(name) else secrets.hide_in(value)[:LONGEST_HEADER]
        for name, value in list(headers.items())[:MOST_HEADERS]
    }


def plain_request_body(body: bytes, secrets: Secrets, *, most_bytes: int) -> bytes:
    """The JSON without secrets, its long runs of base64 shortened: still JSON unless it is longer than `most_bytes`."""
    return b"".join(_LONG_DATA.sub(_shortened, part) for part in _parts(secrets.hide(body)))[:most_bytes]


def _parts(data: bytes) -> Iterator[bytes]:
    """Cut where no base64 is. A pattern keeps all threads waiting while it runs, 17 ms for a megabyte."""
    start = 0
    while start < len(data):
        marks = (data.find(mark, start + _PART_BYTES) for mark in (b" ", b'"'))
        end = min((at + 1 for at in marks if at >= 0), default=len(data))
        yield data[start:end]
        start = end


def _shortened(found: re.Match[bytes]) -> bytes:
    data = found.group()
    return data[:_DATA_SHOWN] + b"[%d more characters]" % (len(data) - _DATA_SHOWN)


def _forms(secret: str) -> set[str]:
    in_json = {json.dumps(secret, ensure_ascii=ascii_only)[1:-1] for ascii_only in (True, False)}
    return {
        secret,
        *in_json,
        *(form.replace("/", "\\/") for form in in_json),
        quote(secret, safe=""),
        quote(secret),
        quote_plus(secret),
        html.escape(secret),
    }
