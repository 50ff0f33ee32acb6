"""One POST to a receiver that may be anything: slow, endless, hostile. The only place of webhooks that meets httpx.

Nothing is followed, nothing is taken from the environment, and no more is read than is kept.
"""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

import httpx
from msgspec import Struct

from chat.llm.dialects.errors import retry_after

MOST_KEPT: Final = 1024
"""Bytes of an answer's body."""
USER_AGENT: Final = "Lectern-Webhooks/1"
DEFAULT_PORTS: Final = {"http": 80, "https": 443}
NO_TLS: Final = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Left out, one that is not needed would be made for each request, which reads all roots from the disk."""

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""Host and port to the addresses that may be connected to, each of them checked.

Raises `NotDelivered` where there is none, or none may be."""


class NotDelivered(Exception):
    """There was no answer; the text says why, fit for the endpoint's owner."""


class Answer(Struct, frozen=True):
    status: int
    body: str = ""
    """Its first kilobyte."""
    retry_after_seconds: float | None = None

    @property
    def succeeded(self) -> bool:
        return 200 <= self.status < 300


class Post:
    """Sends one request by one connection, which is closed behind it."""

    def __init__(self, resolve: Resolve, *, seconds: float, tls: ssl.SSLContext | None = None) -> None:
        """`seconds`: for everything, from looking up the name to the last byte that is read."""
        self._resolve = resolve
        self._seconds = seconds
        self._tls = tls

    async def __call__(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """
        Raises:
            NotDelivered: no status came in time.
        """
        began = _Beginning()
        target = _target(url)
        # Before the time begins: it takes a while, once.
        tls = self._context() if target.scheme == "https" else NO_TLS
        try:
            async with asyncio.timeout(self._seconds):
                await self._exchange(target, tls, headers, body, began)
        except TimeoutError:
            failure = f"No answer within {self._seconds:g} seconds."
        except (httpx.ConnectError, OSError) as error:
            failure = f"No connection: {_why(error)}"
        except httpx.HTTPError as error:
            failure = f"The connection broke: {_why(error)}"
        else:
            failure = "The answer has no status."
        # The status is the answer. A body that hangs or breaks off changes nothing about it.
        if began.answered:
            return began.answer()
        raise NotDelivered(failure)

    async def _exchange(
        self,
        target: httpx.URL,
        tls: ssl.SSLContext,
        headers: Mapping[str, str],
        body: bytes,
        began: "_Beginning",
    ) -> None:
        host = target.raw_host.decode("ascii")
        port = target.port or DEFAULT_PORTS[target.scheme]
        # Connected to by the very address that was checked: a second look-up might give another one.
        address = (await self._resolve(host, port))[0]
        request = httpx.Request(
            "POST",
            target.copy_with(host=address, fragment=None, userinfo=None),
            headers={
                "Host": target.netloc.decode("ascii"),
                "User-Agent": USER_AGENT,
                "Content-Type": "application/json",
                "Accept-Encoding": "identity",
                **headers,
            },
            content=body,
            extensions={"sni_hostname": host, "timeout": {}},
        )
        # The transport alone: a client would add what we do not want, such as cookies.
        async with httpx.AsyncHTTPTransport(verify=tls, trust_env=False, retries=0) as transport:
            began.take(response := await transport.handle_async_request(request))
            try:
                await began.read(response)
            finally:
                await response.aclose()

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = httpx.create_ssl_context(trust_env=False)
        return self._tls


def _target(url: str) -> httpx.URL:
    try:
        target = httpx.URL(url)
    except httpx.InvalidURL:
        raise NotDelivered("The URL cannot be read.") from None
    if target.scheme not in DEFAULT_PORTS or not target.raw_host:
        raise NotDelivered("The URL is none of http or https.")
    if target.port is not None and not 0 < target.port < 65536:
        raise NotDelivered("The URL has no port that there is.")
    return target


class _Beginning:
    """As much of an answer as has come."""

    def __init__(self) -> None:
        self._response: httpx.Response | None = None
        self._kept = bytearray()

    @property
    def answered(self) -> bool:
        return self._response is not None

    def take(self, response: httpx.Response) -> None:
        self._response = response

    async def read(self, response: httpx.Response) -> None:
        async for chunk in response.aiter_raw():
            self._kept += chunk[: MOST_KEPT - len(self._kept)]
            if len(self._kept) >= MOST_KEPT:
                return

    def answer(self) -> Answer:
        assert self._response is not None  # noqa: S101  (`answered` was asked)
        text = self._kept.decode("utf-8", "replace").replace("\0", "\ufffd")
        headers = {name.lower(): value for name, value in self._response.headers.items()}
        return Answer(self._response.status_code, text, retry_after(headers))


def _why(error: Exception) -> str:
    return str(error) or type(error).__name__
