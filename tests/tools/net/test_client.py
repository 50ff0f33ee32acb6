"""What comes back from the network: bounded, checked, and from whom it should."""

import asyncio
import gzip
import zlib

import pytest
from aiohttp import web

from tests.tools.net.certificates import certificate_for
from tests.tools.net.servers import OUTSIDE, Handler, serving
from tools.net.client import NetLimits, OutboundClient
from tools.net.errors import AddressRefused, BadAnswer, Unreachable
from tools.net.policy import Policy

ALLOWED = Policy.of(["127.0.0.0/8"])


async def local(_host: str, _port: int) -> list[str]:
    return ["127.0.0.1"]


def client(**options) -> OutboundClient:
    return OutboundClient(ALLOWED, resolve=local, **options)


def answering(body: bytes = b"hello", status: int = 200, **headers: str) -> Handler:
    async def answer(_request: web.Request) -> web.Response:
        return web.Response(
            body=body, status=status, headers={k.replace("_", "-"): v for k, v in headers.items()}
        )

    return answer


def hopping(hops: int, to: str = "/{left}") -> Handler:
    async def hop(request: web.Request) -> web.Response:
        left = int(request.path.strip("/") or hops)
        if left == 0:
            return web.Response(text="arrived")
        return web.Response(status=302, headers={"Location": to.format(left=left - 1)})

    return hop


async def test_an_answer_of_any_status_is_an_answer():
    async with serving(answering(b"gone", 410, X_Reason="old")) as server:
        answer = await client().request("GET", f"http://shop.example:{server.port}/a%20b?q=ä&x=1")

    assert (answer.status, answer.body, answer.headers["x-reason"]) == (410, b"gone", "old")
    assert server.requests[0].path_qs == "/a%20b?q=%C3%A4&x=1"
    assert answer.url == f"http://shop.example:{server.port}/a%20b?q=%C3%A4&x=1"


async def test_a_body_is_sent_with_its_headers():
    bodies = []

    async def keep(request: web.Request) -> web.Response:
        bodies.append((await request.read(), request.headers["X-Signature"], request.headers["Host"]))
        return web.Response()

    async with serving(keep) as server:
        await client().request(
            "POST",
            f"http://hook.example:{server.port}/",
            headers={"X-Signature": "s", "Host": "evil"},
            content=b"{}",
        )

    assert bodies == [(b"{}", "s", f"hook.example:{server.port}")]


async def test_five_redirects_are_followed_and_not_six():
    async with serving(hopping(5)) as server:
        answer = await client().request("GET", f"http://hop.example:{server.port}/")
    assert (answer.body, answer.url) == (b"arrived", f"http://hop.example:{server.port}/0")

    async with serving(hopping(6)) as server:
        with pytest.raises(BadAnswer, match="more than 5 times"):
            await client().request("GET", f"http://hop.example:{server.port}/")


async def test_a_post_is_not_redirected():
    async with serving(hopping(1)) as server:
        answer = await client().request("POST", f"http://hop.example:{server.port}/", content=b"x")

    assert answer.status == 302
    assert len(server.requests) == 1


async def test_headers_and_cookies_do_not_follow_to_another_host():
    async def lure(request: web.Request) -> web.Response:
        location = f"http://{OUTSIDE}:{other.port}/"
        return web.Response(status=302, headers={"Location": location, "Set-Cookie": "id=1; Path=/"})

    async with serving(answering(), OUTSIDE) as other, serving(lure) as first:
        await client().request(
            "GET", f"http://127.0.0.1:{first.port}/", headers={"Authorization": "Bearer x"}
        )

    assert first.requests[0].headers["Authorization"] == "Bearer x"
    assert "Authorization" not in other.requests[0].headers
    assert "Cookie" not in other.requests[0].headers


async def test_a_large_body_is_not_read_to_its_end():
    with pytest.raises(BadAnswer, match="larger than 10 kB"):
        async with serving(answering(b"x" * 10_001)) as server:
            await client(limits=NetLimits(most_bytes=10_000)).request(
                "GET", f"http://big.example:{server.port}/"
            )


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", gzip.compress(b"hello " * 100)),
        ("gzip", gzip.compress(b"hello " * 40) + gzip.compress(b"hello " * 60)),
        ("deflate", zlib.compress(b"hello " * 100)),
        ("deflate", zlib.compress(b"hello " * 100)[2:-4]),
        ("identity", b"hello " * 100),
    ],
)
async def test_compression_is_taken_off(encoding: str, body: bytes):
    async with serving(answering(body, Content_Encoding=encoding)) as server:
        answer = await client().request("GET", f"http://zip.example:{server.port}/")

    assert answer.body == b"hello " * 100


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
async def test_a_small_body_that_becomes_large_is_refused(encoding: str):
    bomb = (gzip.compress if encoding == "gzip" else zlib.compress)(bytes(200_000_000))
    async with serving(answering(bomb, Content_Encoding=encoding)) as server:
        with pytest.raises(BadAnswer, match="larger than"):
            await client().request("GET", f"http://bomb.example:{server.port}/")


@pytest.mark.parametrize(("encoding", "body"), [("gzip", b"no gzip"), ("br", b"x"), ("gzip, gzip", b"x")])
async def test_what_cannot_be_decompressed_is_a_bad_answer(encoding: str, body: bytes):
    async with serving(answering(body, Content_Encoding=encoding)) as server:
        with pytest.raises(BadAnswer):
            await client().request("GET", f"http://zip.example:{server.port}/")


async def test_another_media_type_is_not_read():
    async with serving(answering(b"%PDF", Content_Type="application/pdf")) as server:
        with pytest.raises(BadAnswer, match="application/pdf"):
            await client().request("GET", f"http://pdf.example:{server.port}/", media_types={"text/html"})


async def test_a_server_that_drips_is_given_up():
    async def drip(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b".")
            await asyncio.sleep(0.02)

    async with serving(drip) as server:
        with pytest.raises(Unreachable, match="within"):
            await client(limits=NetLimits(total_seconds=0.3)).request(
                "GET", f"http://slow.example:{server.port}/"
            )


async def test_a_look_up_that_hangs_is_given_up():
    async def hangs(_host: str, _port: int) -> list[str]:
        await asyncio.sleep(60)
        return []

    slow = OutboundClient(ALLOWED, resolve=hangs, limits=NetLimits(total_seconds=0.2))
    with pytest.raises(Unreachable):
        await slow.request("GET", "http://dns.example/")


async def test_a_name_without_an_address_is_unreachable():
    async def unknown(_host: str, _port: int) -> list[str]:
        raise OSError("no such name")

    with pytest.raises(Unreachable, match="could not be looked up"):
        await OutboundClient(ALLOWED, resolve=unknown).request("GET", "http://missing.example/")


async def test_the_next_address_is_tried_where_one_does_not_answer():
    async def two(_host: str, _port: int) -> list[str]:
        return ["127.0.0.3", "127.0.0.1"]

    async with serving(answering()) as server:
        answer = await OutboundClient(ALLOWED, resolve=two).request(
            "GET", f"http://two.example:{server.port}/"
        )

    assert answer.body == b"hello"


async def test_nobody_there_is_unreachable_and_may_be_tried_again():
    async with serving(answering()) as server:
        pass

    with pytest.raises(Unreachable) as error:
        await client().request("GET", f"http://closed.example:{server.port}/")
    assert error.value.retryable


async def test_the_certificate_is_checked_for_the_name_and_not_for_the_address():
    right = certificate_for("shop.example")
    async with serving(answering(), tls=right.server()) as server:
        answer = await client(tls=right.client()).request("GET", f"https://shop.example:{server.port}/")
        with pytest.raises(BadAnswer, match="certificate"):
            await client(tls=right.client()).request("GET", f"https://other.example:{server.port}/")
        with pytest.raises(BadAnswer, match="certificate"):
            await client().request("GET", f"https://shop.example:{server.port}/")

    assert answer.body == b"hello"
    assert right.names_asked_for[0] == "shop.example"


async def test_the_systems_look_up_is_refused_inside_too():
    with pytest.raises(AddressRefused):
        await OutboundClient(Policy()).request("GET", "http://localhost:9/")
