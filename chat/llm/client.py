"""The one file that meets httpx for model calls. Its exceptions end here.

httpx runs over aiohttp's connections (docs/adr/0002): its own pool costs about 100 µs a delta and stalls
beyond 200 streams.
"""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from types import TracebackType

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport
from msgspec import Struct

from chat.exceptions import ProviderCut, ProviderError, ProviderGarbage, ProviderRejected, ProviderTimeout
from chat.llm.dialects.base import WireRequest
from chat.llm.inflate import inflater
from chat.llm.outgoing import checked_headers

ERROR_BODY_BYTES = 65_536
LIST_BYTES = 1_000_000


class Endpoint(Struct, frozen=True):
    """Where a provider is: `base_url` without a slash at its end, and headers of its own."""

    base_url: str
    headers: Mapping[str, str] = {}
    proxy: str = ""


class UpstreamAnswer:
    """The head of an answer, and its body as it comes. Leaving the body early closes the connection."""

    def __init__(self, response: httpx.Response) -> None:
        self._response = response
        self.status = response.status_code
        self.headers: Mapping[str, str] = response.headers
        self.content_type = response.headers.get("content-type", "")
        self.request_id = (
            response.headers.get("x-request-id")
            or response.headers.get("request-id")
            or response.headers.get("apim-request-id", "")
        )

    async def chunks(self) -> AsyncIterator[bytes]:
        """
        Raises:
            ProviderCut: the line broke before the body's end.
            ProviderGarbage: the body is compressed, and cannot be opened or not within its bound.
        """
        opened = inflater(self.headers.get("content-encoding", ""))
        try:
            if opened is None:
                async for chunk in self._response.aiter_raw():
                    yield chunk
                return
            async for chunk in self._response.aiter_raw():
                for piece in opened.pieces(chunk):
                    yield piece
                    # A small chunk may hold many pieces; others want their turn between them.
                    await asyncio.sleep(0)
        except (httpx.TransportError, httpx.StreamError, aiohttp.ClientError) as error:
            raise ProviderCut(detail=_describe(error)) from error

    async def error_body(self) -> bytes:
        """The first 64 kB of it; what could be read where the line breaks."""
        body = bytearray()
        try:
            async for chunk in self.chunks():
                body += chunk
                if len(body) >= ERROR_BODY_BYTES:
                    break
        except (ProviderCut, ProviderGarbage):
            pass
        return bytes(body[:ERROR_BODY_BYTES])


class ModelClient:
    """One httpx client a provider and process; belongs to the event loop it was made on."""

    def __init__(self, *, verify: bool = True) -> None:
        self._verify = verify
        self._clients: dict[tuple[str, str], httpx.AsyncClient] = {}
        # Reading the system's certificates takes some 20 ms of CPU: once, at start-up.
        self._tls = ssl.create_default_context() if verify else False

    async def __aenter__(self) -> "ModelClient":
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        clients, self._clients = list(self._clients.values()), {}
        for client in clients:
            await client.aclose()

    @asynccontextmanager
    async def call(
        self, endpoint: Endpoint, request: WireRequest, *, connect_seconds: float
    ) -> AsyncIterator[UpstreamAnswer]:
        """Sends the request and waits for the head of the answer.

        `connect_seconds` bounds connecting alone: many providers keep the head back until they have a first token.
        All other time limits are the caller's.

        Raises:
            ProviderCut: the provider could not be reached, or broke the line before the head.
            ProviderTimeout: connecting took too long.
            ProviderGarbage: what answers does not speak HTTP.
            ProviderAuth, ProviderRejected: the key, a header or the address is such that nothing can be sent.
        """
        with _named_errors():
            client = self._client(endpoint)
            outgoing = client.build_request(
                "POST",
                endpoint.base_url + request.path,
                content=request.body,
                headers=checked_headers(request.headers, endpoint.headers),
                timeout=httpx.Timeout(None, connect=connect_seconds),
            )
            response = await client.send(outgoing, stream=True)
        try:
            yield UpstreamAnswer(response)
        finally:
            # Closes the connection where the body was not read to its end: that is what stops the provider.
            await response.aclose()

    async def get(self, endpoint: Endpoint, path: str, *, seconds: float) -> tuple[int, bytes]:
        """A small GET, for lists of models: status and at most 1 MB of body.

        Raises:
            ProviderError: as `call`.
        """
        body = bytearray()
        try:
            with _named_errors():
                client = self._client(endpoint)
                headers = checked_headers({}, endpoint.headers)
                async with (
                    asyncio.timeout(seconds),
                    client.stream("GET", endpoint.base_url + path, headers=headers) as response,
                ):
                    async for chunk in UpstreamAnswer(response).chunks():
                        body += chunk
                        if len(body) >= LIST_BYTES:
                            break
        except TimeoutError:
            raise ProviderTimeout("connect") from None
        return response.status_code, bytes(body[:LIST_BYTES])

    def _client(self, endpoint: Endpoint) -> httpx.AsyncClient:
        key = (endpoint.base_url, endpoint.proxy)
        client = self._clients.get(key)
        if client is None:
            client = self._clients[key] = httpx.AsyncClient(
                transport=AiohttpTransport(
                    client=self._session,
                    verify=self._tls,
                    proxy=_proxy(endpoint.proxy) if endpoint.proxy else None,
                ),
                headers={"Accept-Encoding": "identity"},
                timeout=None,  # noqa: S113  (the clockwork of chat.resilience watches every call)
                follow_redirects=False,
                trust_env=False,
            )
        return client

    def _session(self) -> aiohttp.ClientSession:
        # No limit of 100 connections; no cookie jar, which would be shared between users.
        connector = aiohttp.TCPConnector(
            limit=0, ssl=self._tls, keepalive_timeout=30, happy_eyeballs_delay=0.25
        )
        return aiohttp.ClientSession(
            connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False
        )


@contextmanager
def _named_errors() -> Iterator[None]:
    """Until the head is here, every exception of httpx and aiohttp leaves as a `ProviderError`."""
    try:
        yield
    except httpx.TransportError as error:
        raise _unreachable(error) from error
    except aiohttp.ClientError as error:
        raise ProviderGarbage("What answers there does not speak HTTP.", detail=_describe(error)) from error
    except (httpx.InvalidURL, ValueError) as error:
        raise ProviderRejected(
            "The provider's address is not a valid URL.", detail=_describe(error)
        ) from error


def _proxy(url: str) -> httpx.Proxy:
    try:
        return httpx.Proxy(url)
    except (httpx.InvalidURL, ValueError) as error:
        raise ProviderRejected("The proxy's address is not a valid URL.", detail=_describe(error)) from error


def _unreachable(error: httpx.TransportError) -> ProviderError:
    # Over aiohttp a refused connection, a failed look-up and a line broken before the head all arrive as
    # httpx.ConnectTimeout; only the cause tells them apart.
    cause = error.__cause__
    if isinstance(error, httpx.UnsupportedProtocol) or isinstance(cause, aiohttp.InvalidURL):
        return ProviderRejected("The provider's address is not a valid URL.", detail=_describe(error))
    if isinstance(cause, aiohttp.ServerDisconnectedError | ConnectionResetError):
        return ProviderCut(detail=_describe(error))
    if isinstance(cause, aiohttp.ClientConnectorDNSError | socket.gaierror):
        return ProviderCut("The provider's name could not be looked up.", detail=_describe(error))
    if isinstance(cause, aiohttp.ClientConnectorCertificateError | aiohttp.ClientSSLError | ssl.SSLError):
        return ProviderRejected("The provider's certificate is not trusted.", detail=_describe(error))
    if isinstance(cause, aiohttp.ClientConnectorError):
        return ProviderCut("The provider could not be reached.", detail=_describe(error))
    if isinstance(error, httpx.TimeoutException) and isinstance(cause, TimeoutError):
        return ProviderTimeout("connect", detail=_describe(error))
    return ProviderCut(detail=_describe(error))


def _describe(error: Exception) -> str:
    cause = error.__cause__
    return f"{type(error).__name__}: {error}" + (f" ({type(cause).__name__}: {cause})" if cause else "")
