"""One POST to a receiver that may be anything: slow, endless, hostile. The only place of webhooks that meets httpx.

Where it goes is for the guard to decide (tools/net): what it has looked up and checked is what is connected to. Nothing
is followed, nothing is taken from the environment, and no more is read than is kept.
"""

import asyncio
import math
import ssl
from collections.abc import Mapping
from typing import Final

import httpx
from msgspec import Struct

from chat.llm.dialects.errors import retry_after
from tools.net.addresses import Address
from tools.net.errors import AddressRefused, Unreachable
from tools.net.guard import Resolve, addresses_of, system_resolver
from tools.net.policy import Policy
from tools.net.urls import Place, read_url

MOST_KEPT: Final = 1024
"""Bytes of an answer's body, where it does not matter."""
USER_AGENT: Final = "Lectern-Webhooks/1"
NO_TLS: Final = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Left out, one that is not needed would be made for each request, which reads all roots from the disk."""


class NotDelivered(Exception):
    """There was no answer; the text says why, fit for the endpoint's owner."""


class Answer(Struct, frozen=True):
    status: int
    body: str = ""
    """As much of it as is kept."""
    whole: bool = True
    """That is all there was; not where it was longer, or broke off."""
    retry_after_seconds: float | None = None

    @property
    def succeeded(self) -> bool:
        return 200 <= self.status < 300


class Post:
    """Sends one request by one connection, which is closed behind it. Belongs to no event loop."""

    def __init__(
        self,
        policy: Policy,
        *,
        seconds: float,
        resolve: Resolve = system_resolver,
        tls: ssl.SSLContext | None = None,
        most_kept: int = MOST_KEPT,
    ) -> None:
        """`seconds`: for everything, from looking up the name to the last byte that is read. `most_kept`: bytes of an
        answer's body; no more is read."""
        self._policy = policy
        self._seconds = seconds
        self._resolve = resolve
        self._tls = tls
        self._most_kept = most_kept

    async def __call__(
        self, url: str, headers: Mapping[str, str], body: bytes, *, within_seconds: float = math.inf
    ) -> Answer:
        """`within_seconds`: where this one has less time than others.

        Raises:
            NotDelivered: the guard does not let us go there, or no status came in time.
        """
        began = _Beginning(self._most_kept)
        failure = ""
        seconds = min(self._seconds, within_seconds)
        try:
            place = read_url(url)
            # Before the time begins: it takes a while, once.
            tls = self._context() if place.scheme == "https" else NO_TLS
            async with asyncio.timeout(seconds):
                await self._connected(place, tls, headers, body, began)
        except (AddressRefused, Unreachable) as error:
            failure = str(error)
        except TimeoutError:
            failure = f"No answer within {seconds:g} seconds."
        except httpx.HTTPError as error:
            failure = f"The connection broke: {_why(error)}"
        # The status is the answer. A body that hangs or breaks off changes nothing about it.
        if not began.answered:
            raise NotDelivered(failure or "There was no answer.")
        return began.answer()

    async def _connected(
        self,
        place: Place,
        tls: ssl.SSLContext,
        headers: Mapping[str, str],
        body: bytes,
        began: "_Beginning",
    ) -> None:
        refusal: Exception | None = None
        for address in await addresses_of(place, self._policy, self._resolve):
            request = _request(place, address, headers, body)
            # The transport alone: a client would add what we do not want, such as cookies.
            async with httpx.AsyncHTTPTransport(verify=tls, trust_env=False) as transport:
                try:
                    response = await transport.handle_async_request(request)
                except httpx.ConnectError as error:
                    refusal = error  # the host's next address may answer; nothing was sent yet
                    continue
                try:
                    await began.read(response)
                finally:
                    await response.aclose()
                return
        raise Unreachable(f"No connection: {_why(refusal)}")

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = httpx.create_ssl_context(trust_env=False)
        return self._tls


def _request(place: Place, address: Address, headers: Mapping[str, str], body: bytes) -> httpx.Request:
    return httpx.Request(
        "POST",
        place.at(address),
        headers={
            "Host": place.authority,
            "User-Agent": USER_AGENT,
            "Content-Type": "application/json",
            "Accept-Encoding": "identity",
            "Connection": "close",
            **headers,
        },
        content=body,
        extensions={"sni_hostname": place.host, "timeout": {}},
    )


class _Beginning:
    """As much of an answer as has come."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._response: httpx.Response | None = None
        self._kept = bytearray()
        self._whole = False

    @property
    def answered(self) -> bool:
        return self._response is not None

    async def read(self, response: httpx.Response) -> None:
        self._response = response
        async for chunk in response.aiter_raw():
            room = self._most - len(self._kept)
            self._kept += chunk[:room]
            if len(chunk) > room:
                return
        self._whole = True

    def answer(self) -> Answer:
        assert self._response is not None  # noqa: S101  (`answered` was asked)
        text = self._kept.decode("utf-8", "replace").replace("\0", "\ufffd")
        headers = {name.lower(): value for name, value in self._response.headers.items()}
        return Answer(
            self._response.status_code, text, whole=self._whole, retry_after_seconds=retry_after(headers)
        )


def _why(error: Exception | None) -> str:
    return str(error) or type(error).__name__
