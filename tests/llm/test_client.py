"""The HTTP client at the wire: what each way of failing is called."""

import asyncio
import gzip
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from chat.exceptions import (
    ProviderAuth,
    ProviderCut,
    ProviderError,
    ProviderGarbage,
    ProviderRejected,
    ProviderTimeout,
)
from chat.llm.client import Endpoint, ModelClient
from chat.llm.dialects.base import WireRequest

ASK = WireRequest(path="/chat/completions", headers={"Authorization": "Bearer k"}, body=b"{}")


@asynccontextmanager
async def answering(data: bytes, *, then_close: bool = True) -> AsyncIterator[Endpoint]:
    """A server that reads one request and writes these bytes."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(data)
        await writer.drain()
        if not then_close:
            await reader.read()
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        yield Endpoint(base_url=f"http://127.0.0.1:{port}/v1")


async def ask(endpoint: Endpoint, connect_seconds: float = 5) -> tuple[int, bytes]:
    async with ModelClient() as client, client.call(endpoint, ASK, connect_seconds=connect_seconds) as answer:
        return answer.status, b"".join([chunk async for chunk in answer.chunks()])


async def test_status_headers_and_body_come_as_they_are():
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nX-Request-Id: r7\r\nContent-Length: 5\r\n\r\nhello"
    async with (
        answering(head) as endpoint,
        ModelClient() as client,
        client.call(endpoint, ASK, connect_seconds=5) as answer,
    ):
        assert (answer.status, answer.request_id) == (200, "r7")
        assert answer.content_type == "text/event-stream"
        assert b"".join([chunk async for chunk in answer.chunks()]) == b"hello"


async def test_a_compressed_body_is_opened():
    body = gzip.compress(b"data: x\n\n")
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(body)
    async with answering(head + body) as endpoint:
        assert await ask(endpoint) == (200, b"data: x\n\n")


def compressed(body: bytes, encoding: bytes = b"gzip", status: bytes = b"200 OK") -> bytes:
    return b"HTTP/1.1 %s\r\nContent-Encoding: %s\r\nContent-Length: %d\r\n\r\n%s" % (
        status,
        encoding,
        len(body),
        body,
    )


@pytest.mark.parametrize("encoding", [b"gzip, gzip", b"br"])
async def test_layers_that_nobody_asked_for_are_garbage(encoding: bytes):
    body = gzip.compress(gzip.compress(bytes(1_000_000)))
    async with answering(compressed(body, encoding)) as endpoint:
        with pytest.raises(ProviderGarbage):
            await ask(endpoint)


async def test_a_compressed_body_has_the_same_bound_as_any_other():
    async with answering(compressed(gzip.compress(bytes(70_000_000), 9))) as endpoint:
        with pytest.raises(ProviderGarbage, match="too large"):
            await ask(endpoint)


async def test_others_get_their_turns_while_much_is_opened():
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    async with (
        answering(compressed(gzip.compress(bytes(20_000_000)))) as endpoint,
        ModelClient() as client,
        client.call(endpoint, ASK, connect_seconds=5) as answer,
    ):
        counting, between = asyncio.create_task(count()), []
        async for chunk in answer.chunks():
            between.append(turns)
            assert len(chunk) <= 262_144
        counting.cancel()
    # A wire chunk of 16 kB holds 64 of these pieces.
    assert len(between) > 70
    assert between[-1] > 70


async def test_an_error_body_that_cannot_be_opened_leaves_its_status():
    async with (
        answering(compressed(b"xyz", b"br", b"503 Busy")) as endpoint,
        ModelClient() as client,
        client.call(endpoint, ASK, connect_seconds=5) as answer,
    ):
        assert (answer.status, await answer.error_body()) == (503, b"")


async def test_a_list_of_models_is_opened_within_its_bound():
    async with answering(compressed(gzip.compress(bytes(50_000_000)))) as endpoint, ModelClient() as client:
        assert await client.get(endpoint, "/models", seconds=5) == (200, bytes(1_000_000))


async def test_a_redirect_is_not_followed():
    async with answering(
        b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"
    ) as endpoint:
        assert await ask(endpoint) == (302, b"")


async def test_a_port_where_nobody_listens_is_a_cut():
    with pytest.raises(ProviderCut, match="could not be reached"):
        await ask(Endpoint(base_url="http://127.0.0.1:1/v1"))


async def test_a_name_that_does_not_exist_is_a_cut():
    with pytest.raises(ProviderCut, match="looked up"):
        await ask(Endpoint(base_url="http://nobody.invalid/v1"))


async def test_a_line_that_breaks_before_the_head_is_a_cut():
    async with answering(b"") as endpoint:
        with pytest.raises(ProviderCut):
            await ask(endpoint)


async def test_a_body_that_breaks_off_is_a_cut():
    async with answering(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhalf") as endpoint:
        with pytest.raises(ProviderCut):
            await ask(endpoint)


async def test_what_is_no_http_is_garbage():
    async with answering(b"SSH-2.0-OpenSSH_9.2\r\n") as endpoint:
        with pytest.raises(ProviderGarbage):
            await ask(endpoint)


BAD_URLS = ["nonsense", "ftp://127.0.0.1/v1", "http://", "http://[::1", "http://127.0.0.1/v1\r\nX-Evil: 1"]


async def both_ways(endpoint: Endpoint, key: str = "k") -> list[ProviderError]:
    """What calling says, and what asking for the list of models says."""
    headers = {"Authorization": f"Bearer {key}"}
    wire = WireRequest(path="/chat/completions", headers=headers, body=b"{}")
    async with ModelClient() as client:
        with pytest.raises(ProviderError) as called:
            async with client.call(endpoint, wire, connect_seconds=5):
                pass
        listing = Endpoint(endpoint.base_url, {**headers, **endpoint.headers}, endpoint.proxy)
        with pytest.raises(ProviderError) as listed:
            await client.get(listing, "/models", seconds=5)
    return [called.value, listed.value]


@pytest.mark.parametrize("url", BAD_URLS)
async def test_an_address_that_is_none_is_rejected(url: str):
    for error in await both_ways(Endpoint(url)):
        assert type(error) is ProviderRejected
        assert "address" in str(error)


@pytest.mark.parametrize("key", ["k\n", "schl\u00fcssel", "k\r\nX-Evil: 1", "k\0"])
async def test_a_key_that_cannot_be_sent_is_a_matter_of_the_key(key: str):
    for error in await both_ways(Endpoint("http://127.0.0.1:1/v1"), key):
        assert type(error) is ProviderAuth
        assert "key" in str(error)
        assert key not in error.detail


@pytest.mark.parametrize(
    "headers",
    [
        {"X-A": "\u00fc"},
        {"X-A": "b\r\nX-Evil: 1"},
        {"X-A: b\r\nX-Evil": "1"},
        {"X-A": 5},
        {"Content-Length": "5"},
    ],
)
async def test_a_header_that_cannot_be_sent_is_named(headers: dict[str, str]):
    (name,) = headers
    for error in await both_ways(Endpoint("http://127.0.0.1:1/v1", headers)):
        assert type(error) is ProviderRejected
        assert name in str(error) or repr(name) in error.detail


async def test_a_proxy_whose_address_is_none_is_named():
    for error in await both_ways(Endpoint("http://127.0.0.1:1/v1", proxy="nonsense")):
        assert type(error) is ProviderRejected
        assert "proxy" in str(error)


async def test_connecting_that_takes_too_long_is_a_timeout():
    # A listener whose queue is full does not answer; the operating system goes on trying for minutes.
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        address = full.getsockname()
        waiting = [socket.socket() for _ in range(3)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(address)
        with pytest.raises(ProviderTimeout) as refused:
            await ask(Endpoint(base_url=f"http://127.0.0.1:{address[1]}/v1"), connect_seconds=0.3)
        for one in waiting:
            one.close()
    assert refused.value.phase == "connect"


async def test_a_head_that_is_kept_back_is_not_a_matter_of_connecting():
    async with answering(b"", then_close=False) as endpoint:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(ask(endpoint, connect_seconds=0.1), timeout=1)


async def test_an_error_body_is_read_up_to_its_bound():
    head = b"HTTP/1.1 500 Oops\r\nContent-Length: 200000\r\n\r\n"
    async with (
        answering(head + b"x" * 200_000) as endpoint,
        ModelClient() as client,
        client.call(endpoint, ASK, connect_seconds=5) as answer,
    ):
        assert len(await answer.error_body()) == 65_536


async def test_more_than_a_hundred_calls_at_once_are_not_queued():
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nwait"
    async with answering(head, then_close=False) as endpoint, ModelClient() as client:
        open_calls = [client.call(endpoint, ASK, connect_seconds=5) for _ in range(150)]
        async with asyncio.timeout(20):
            answers = await asyncio.gather(*(call.__aenter__() for call in open_calls))
        assert len(answers) == 150
        await asyncio.gather(*(call.__aexit__(None, None, None) for call in open_calls))


@asynccontextmanager
async def proxying() -> AsyncIterator[tuple[str, list[bytes]]]:
    """A proxy's address and the first lines of what it was asked."""
    asked: list[bytes] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readline())
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngone")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", asked


async def test_a_provider_with_a_proxy_is_reached_through_it():
    async with proxying() as (proxy, asked):
        assert await ask(Endpoint("http://provider.example/v1", proxy=proxy)) == (200, b"gone")
    assert asked == [b"POST http://provider.example/v1/chat/completions HTTP/1.1\r\n"]


async def test_the_proxy_of_the_environment_is_not_asked(monkeypatch):
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\ndirect"
    async with proxying() as (proxy, asked), answering(head) as endpoint:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy)
        assert await ask(endpoint) == (200, b"direct")
    assert asked == []
