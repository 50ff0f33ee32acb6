"""Nothing inside of our own network is ever connected to, however its address is written."""

import ipaddress

import pytest
from aiohttp import web

from tests.tools.net.connects import watched_connects
from tests.tools.net.servers import OUTSIDE, redirecting, secret, serving
from tools.net.addresses import is_public
from tools.net.client import OutboundClient
from tools.net.errors import AddressRefused, BadAnswer
from tools.net.policy import Policy

INSIDE = [
    # plain
    "http://127.0.0.1:{port}/",
    "http://127.8.8.8:{port}/",
    "http://localhost:{port}/",
    "http://LOCALHOST.:{port}/",
    "http://0.0.0.0:{port}/",
    "http://0.1.2.3:{port}/",
    "http://10.0.0.5:{port}/",
    "http://172.16.0.1:{port}/",
    "http://172.31.255.254:{port}/",
    "http://192.168.1.1:{port}/",
    "http://100.64.0.1:{port}/",
    "http://169.254.169.254/latest/meta-data/",
    "http://168.63.129.16/machine",
    "http://192.0.0.192:{port}/",
    "http://198.18.0.1:{port}/",
    "http://192.88.99.1:{port}/",
    "http://224.0.0.1:{port}/",
    "http://240.0.0.1:{port}/",
    "http://255.255.255.255:{port}/",
    "http://203.0.113.7:{port}/",
    # other spellings of them
    "http://2130706433:{port}/",
    "http://0x7f000001:{port}/",
    "http://0x7f.0.0.1:{port}/",
    "http://0177.0.0.1:{port}/",
    "http://017700000001:{port}/",
    "http://127.1:{port}/",
    "http://127.0.1:{port}/",
    "http://127.0.0.1.:{port}/",
    "http://127.0.0.0x1:{port}/",
    "http://127.000.000.001:{port}/",
    "http://0:{port}/",
    "http://１２７.０.０.１:{port}/",
    "http://127。0。0。1:{port}/",
    "http://①②⑦.⓪.⓪.①:{port}/",
    "http://ⓛocalhost:{port}/",
    "http://%31%32%37.0.0.1:{port}/",
    "http://127.0.0.1%2f@example.com:{port}/",
    # IPv6
    "http://[::1]:{port}/",
    "http://[::]:{port}/",
    "http://[0:0:0:0:0:0:0:1]:{port}/",
    "http://[::ffff:127.0.0.1]:{port}/",
    "http://[::ffff:7f00:1]:{port}/",
    "http://[::127.0.0.1]:{port}/",
    "http://[64:ff9b::127.0.0.1]:{port}/",
    "http://[64:ff9b:1::a00:1]:{port}/",
    "http://[2002:7f00:1::]:{port}/",
    "http://[2001:0:7f00:1::]:{port}/",
    "http://[fe80::1]:{port}/",
    "http://[fe80::1%25lo]:{port}/",
    "http://[fe80::1%lo]:{port}/",
    "http://[fec0::1]:{port}/",
    "http://[fc00::1]:{port}/",
    "http://[fd00:ec2::254]:{port}/",
    "http://[ff02::1]:{port}/",
    "http://[2001:db8::1]:{port}/",
    "http://[100::1]:{port}/",
    # what two parsers read in two ways
    "http://user@127.0.0.1:{port}/",
    "http://example.com@127.0.0.1:{port}/",
    "http://127.0.0.1:{port}@example.com/",
    "http://example.com\\@127.0.0.1:{port}/",
    "http://127.0.0.1\\.example.com:{port}/",
    "http://127.0.0.1:{port}#@example.com/",
    "http://127.0.0.1 :{port}/",
    "http://127.0.0.1\t:{port}/",
    "http://127.0.0.1\r\nHost: example.com\r\n:{port}/",
    "http:///127.0.0.1:{port}/",
    "http:127.0.0.1:{port}/",
    "//127.0.0.1:{port}/",
    "http://[127.0.0.1]:{port}/",
    "http://127.0.0.1:{port}:80/",
    "http://127.0.0.1:0{port}x/",
    "http://-127.0.0.1:{port}/",
    "http://:{port}/",
    # what is no web server
    "file:///etc/passwd",
    "ftp://127.0.0.1:{port}/",
    "gopher://127.0.0.1:{port}/_x",
    "data:text/plain,hello",
    "unix:///var/run/docker.sock",
    "http://8.8.8.8:22/",
    "http://8.8.8.8:25/",
]
OUTSIDE_ONLY = Policy.of([OUTSIDE])


async def nowhere(host: str, _port: int) -> list[str]:
    raise AssertionError(f"{host} must not even be looked up")


async def system_hosts(host: str, _port: int) -> list[str]:
    """The names that these tests use, as a machine's own table of hosts would answer."""
    assert host == "localhost"
    return ["127.0.0.1", "::1"]


def spelled(url: str, port: int) -> str:
    return url.replace("{port}", str(port))


@pytest.mark.parametrize("url", INSIDE)
async def test_an_address_inside_is_refused_and_not_connected_to(url: str):
    async with serving(secret) as inside:
        with watched_connects() as connects, pytest.raises(AddressRefused):
            await OutboundClient(Policy(), resolve=system_hosts).request("GET", spelled(url, inside.port))

    assert connects == []
    assert inside.requests == []


@pytest.mark.parametrize("url", INSIDE)
async def test_nor_is_it_when_a_public_page_sends_us_there(url: str):
    async with serving(secret) as inside, redirecting(302, spelled(url, inside.port)) as outside:
        with watched_connects() as connects, pytest.raises((AddressRefused, BadAnswer)):
            await OutboundClient(OUTSIDE_ONLY, resolve=system_hosts).request("GET", outside)

    assert {address[0] for address in connects} == {OUTSIDE}
    assert inside.requests == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_nor_by_any_kind_of_redirect(status: int, method: str):
    async with serving(secret) as inside, redirecting(status, f"http://127.0.0.1:{inside.port}/") as outside:
        with watched_connects() as connects, pytest.raises(AddressRefused):
            await OutboundClient(OUTSIDE_ONLY, resolve=nowhere).request(method, outside)

    assert [address[0] for address in connects] == [OUTSIDE]
    assert inside.requests == []


async def test_a_name_that_leads_inside_is_refused():
    async def resolve(_host: str, _port: int) -> list[str]:
        return ["127.0.0.1"]

    with watched_connects() as connects, pytest.raises(AddressRefused):
        await OutboundClient(Policy(), resolve=resolve).request("GET", "http://looks-public.example/")

    assert connects == []


@pytest.mark.parametrize("inside", ["10.0.0.1", "::1", "64:ff9b::a00:1", "fe80::1%eth0", "::ffff:10.0.0.1"])
async def test_one_address_inside_among_several_is_enough_to_refuse(inside: str):
    async def resolve(_host: str, _port: int) -> list[str]:
        return [OUTSIDE, inside]

    with watched_connects() as connects, pytest.raises(AddressRefused):
        await OutboundClient(OUTSIDE_ONLY, resolve=resolve).request("GET", "http://mixed.example/")

    assert connects == []


async def test_a_name_that_changes_its_mind_between_look_up_and_connect_leads_nowhere_else():
    answers = iter([[OUTSIDE], ["127.0.0.1"], ["127.0.0.1"]])

    async def rebinding(_host: str, _port: int) -> list[str]:
        return next(answers)

    async def hello(_request: web.Request) -> web.Response:
        return web.Response(text="the outside")

    async with serving(hello, OUTSIDE) as outside, serving(secret, "127.0.0.1", port=outside.port) as inside:
        client = OutboundClient(OUTSIDE_ONLY, resolve=rebinding)
        with watched_connects() as connects:
            answer = await client.request("GET", f"http://rebind.example:{outside.port}/")
            with pytest.raises(AddressRefused):
                await client.request("GET", f"http://rebind.example:{outside.port}/")

    assert answer.body == b"the outside"
    assert [address[0] for address in connects] == [OUTSIDE]
    assert outside.requests[0].headers["Host"] == f"rebind.example:{outside.port}"
    assert inside.requests == []


async def test_a_name_that_changes_its_mind_between_two_redirects_is_refused():
    answers = iter([[OUTSIDE], ["127.0.0.1"]])

    async def rebinding(_host: str, _port: int) -> list[str]:
        return next(answers)

    async def again(_request: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": "/again"})

    async with serving(again, OUTSIDE) as outside:
        with watched_connects() as connects, pytest.raises(AddressRefused):
            await OutboundClient(OUTSIDE_ONLY, resolve=rebinding).request(
                "GET", f"http://r.example:{outside.port}/"
            )

    assert [address[0] for address in connects] == [OUTSIDE]


async def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch):
    async def hello(_request: web.Request) -> web.Response:
        return web.Response(text="the outside")

    async with serving(secret) as proxy, serving(hello, OUTSIDE) as outside:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        answer = await OutboundClient(OUTSIDE_ONLY, resolve=nowhere).request(
            "GET", f"http://{OUTSIDE}:{outside.port}/"
        )

    assert answer.body == b"the outside"
    assert proxy.requests == []


@pytest.mark.parametrize(
    "address",
    [
        "8.8.8.8",
        "1.1.1.1",
        "93.184.216.34",
        "172.15.0.1",
        "172.32.0.1",
        "100.128.0.1",
        "2606:4700::1111",
        "2a00:1450::1",
    ],
)
def test_the_public_internet_is_public(address: str):
    assert is_public(ipaddress.ip_address(address))


def test_nothing_is_public_that_python_knows_not_to_be():
    for network in ("0.0.0.0/0", "::/0"):
        whole = ipaddress.ip_network(network)
        step = whole.num_addresses // 65_536
        for number in range(65_536):
            address = whole[number * step]
            if is_public(address):
                assert address.is_global, address
                assert not address.is_multicast, address


@pytest.mark.parametrize(
    ("entry", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:{port}/"),
        ("127.0.0.0/8", "http://127.0.0.1:{port}/"),
        ("127.0.0.1:{port}", "http://127.0.0.1:{port}/"),
        ("wiki.example", "http://wiki.example:{port}/"),
        ("WIKI.example:{port}", "http://wiki.example:{port}/"),
        ("127.0.0.0/8", "http://wiki.example:{port}/"),
    ],
)
async def test_staff_may_allow_a_host_a_port_or_a_network(entry: str, url: str):
    async def resolve(_host: str, _port: int) -> list[str]:
        return ["127.0.0.1"]

    async with serving(secret) as inside:
        policy = Policy.of([spelled(entry, inside.port)])
        answer = await OutboundClient(policy, resolve=resolve).request("GET", spelled(url, inside.port))

    assert answer.body == b"the inside"


@pytest.mark.parametrize("entry", ["wiki.example:1", "other.example", "example", "127.0.0.2", "10.0.0.0/8"])
async def test_what_staff_allow_allows_nothing_else(entry: str):
    async def resolve(_host: str, _port: int) -> list[str]:
        return ["127.0.0.1"]

    with watched_connects() as connects, pytest.raises(AddressRefused):
        await OutboundClient(Policy.of([entry]), resolve=resolve).request("GET", "http://wiki.example:8080/")

    assert connects == []


@pytest.mark.parametrize(
    "entry", ["", "http://x/", "10.0.0.0/99", "a b", "host:0", "host:99999", "*", "127.1"]
)
def test_an_entry_that_is_none_is_refused(entry: str):
    with pytest.raises(ValueError):
        Policy.of([entry])


def test_the_host_of_a_configured_service_is_allowed_wherever_it_is():
    policy = Policy().with_service("http://weather.intern:8080/v1")

    assert policy.names("weather.intern", 8080)
    assert not policy.names("weather.intern", 80)
