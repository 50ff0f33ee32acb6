"""The HTTP client of the tools, and the one file here that meets httpx. Its exceptions end here.

A request goes to an address that the guard has looked up and checked, with the host's name in `Host`, in TLS's SNI
and in the check of the certificate. Connections are not kept: httpx would share one between hosts of one address,
without checking the second one's certificate. (Of the libraries for this, one connects to refused addresses before it
refuses them, one is for `requests` alone, the others are a few months old.)
"""

import asyncio
import ssl
from collections.abc import Collection, Mapping
from functools import cache
from typing import Final

import httpx
from msgspec import Struct

from tools.net.addresses import Address
from tools.net.errors import BadAnswer, Unreachable
from tools.net.guard import Resolve, addresses_of, system_resolver
from tools.net.inflate import ACCEPTED, Body
from tools.net.policy import Policy
from tools.net.urls import Place, following_url, read_url

USER_AGENT: Final = "Lectern (tools)"
_REDIRECTS: Final = {301, 302, 303, 307, 308}
_OURS: Final = {"host", "connection", "accept-encoding", "content-length", "transfer-encoding"}


class NetLimits(Struct, frozen=True):
    connect_seconds: float = 5.0
    """For one address."""
    total_seconds: float = 20.0
    """For everything, redirects included."""
    most_bytes: int = 2_000_000
    """Of a body, with compression taken off."""
    redirects: int = 5


class Answer(Struct, frozen=True):
    """`url` is where it came from in the end; `headers` have small names, the last of several wins."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str

    @property
    def media_type(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


class OutboundClient:
    """Keeps nothing open and belongs to no event loop: make one where it is needed."""

    def __init__(
        self,
        policy: Policy,
        *,
        limits: NetLimits | None = None,
        resolve: Resolve = system_resolver,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._policy = policy
        self._limits = limits or NetLimits()
        self._resolve = resolve
        self._tls = tls

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes = b"",
        media_types: Collection[str] = (),
    ) -> Answer:
        """Redirects are followed for GET and HEAD alone; an answer of any status is an answer.

        Args:
            headers: sent to the first host alone.
            media_types: of a 2xx answer; others are not read. Empty: any.

        Raises:
            AddressRefused: the guard does not allow it, at the first address or at a later one.
            Unreachable: nobody answers, or not in time.
            BadAnswer: too large, of another media type, not HTTP, or redirected too often.
        """
        try:
            async with asyncio.timeout(self._limits.total_seconds):
                return await self._followed(method, url, dict(headers or {}), content, media_types)
        except TimeoutError:
            raise Unreachable(f"There was no answer within {self._limits.total_seconds:g} seconds.") from None

    async def _followed(
        self, method: str, url: str, headers: dict[str, str], content: bytes, media_types: Collection[str]
    ) -> Answer:
        place = read_url(url)
        for _ in range(self._limits.redirects + 1):
            answer = await self._asked(method, place, headers, content, media_types)
            location = answer.headers.get("location", "")
            if answer.status not in _REDIRECTS or not location or method not in {"GET", "HEAD"}:
                return answer
            following = following_url(place, location)
            if following.origin != place.origin:
                headers = {}
            place = following
        raise BadAnswer(f"It was redirected more than {self._limits.redirects} times.")

    async def _asked(
        self,
        method: str,
        place: Place,
        headers: Mapping[str, str],
        content: bytes,
        media_types: Collection[str],
    ) -> Answer:
        refusal: Exception | None = None
        for address in await addresses_of(place, self._policy, self._resolve):
            try:
                return await self._exchange(method, place, address, headers, content, media_types)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                refusal = error  # the host's next address may answer
            except httpx.TransportError as error:
                raise Unreachable(f"{place.host} broke the connection off.") from error
            except (httpx.InvalidURL, httpx.DecodingError, ValueError) as error:
                raise BadAnswer(f"The request to {place.host} could not be made.") from error
        if refusal is not None and "CERTIFICATE_VERIFY_FAILED" in str(refusal):
            raise BadAnswer(f"The certificate of {place.host} is not to be trusted.") from refusal
        raise Unreachable(f"{place.host} does not answer.") from refusal

    async def _exchange(
        self,
        method: str,
        place: Place,
        address: Address,
        headers: Mapping[str, str],
        content: bytes,
        media_types: Collection[str],
    ) -> Answer:
        # The bare transport, one for each exchange: nothing goes from one to the next, no cookie either, and httpx
        # does not look at where a redirect leads.
        limits = httpx.Timeout(self._limits.total_seconds, connect=self._limits.connect_seconds)
        request = httpx.Request(
            method,
            place.at(address),
            headers=_headers(place, headers),
            content=content or None,
            extensions={"sni_hostname": place.host, "timeout": limits.as_dict()},
        )
        async with httpx.AsyncHTTPTransport(verify=self._tls or _tls(), trust_env=False) as transport:
            response = await transport.handle_async_request(request)
            try:
                return await self._read(place, response, media_types)
            finally:
                await response.aclose()

    async def _read(self, place: Place, response: httpx.Response, media_types: Collection[str]) -> Answer:
        answer = Answer(response.status_code, dict(response.headers), b"", place.url)
        if response.status_code in _REDIRECTS and "location" in response.headers:
            return answer
        if media_types and response.is_success and answer.media_type not in media_types:
            raise BadAnswer(
                f"What is there is {answer.media_type or 'of no known type'}, which cannot be read."
            )
        body = Body(answer.headers.get("content-encoding", ""), self._limits.most_bytes)
        async for chunk in response.aiter_raw():
            body.feed(chunk)
        return Answer(answer.status, answer.headers, bytes(body.content), answer.url)


def _headers(place: Place, given: Mapping[str, str]) -> dict[str, str]:
    theirs = {name: value for name, value in given.items() if name.lower() not in _OURS}
    ours = {"Host": place.authority, "Connection": "close", "Accept-Encoding": ACCEPTED}
    return {"User-Agent": USER_AGENT, "Accept": "*/*", **theirs, **ours}


@cache
def _tls() -> ssl.SSLContext:
    # Reading the system's certificates takes some 20 ms of CPU: once.
    return ssl.create_default_context()
