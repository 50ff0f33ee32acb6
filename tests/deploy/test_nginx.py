"""The nginx configuration that we ship, under a real nginx, before two servers that share a database and a Redis."""

import asyncio
import signal
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import websockets

from project.stack.binaries import proxy_binary, redis_binary
from tests.deploy.front import Front, nginx_before, two_sites
from tests.live import LiveSite, Socket, words
from tests.services import MISSING, MortalRedis, stop
from tests.websocket.test_two_servers import Screen

pytestmark = pytest.mark.server

NO_NGINX = "there is no nginx: install it (apt install nginx-light, brew install nginx)"


@pytest.fixture(scope="module")
def nginx() -> Path:
    found = proxy_binary("nginx")
    if found is None:
        pytest.skip(NO_NGINX)
    return found


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MortalRedis]:
    binary = redis_binary()
    if binary is None:
        pytest.skip(MISSING)
    server = MortalRedis(binary, tmp_path_factory.mktemp("redis"))
    yield server
    stop(server.process)


@pytest.fixture(scope="module")
def front(nginx, redis, prepared_folder, tmp_path_factory) -> Iterator[Front]:
    """For tests that kill nobody."""
    folder = tmp_path_factory.mktemp("front")
    with two_sites(prepared_folder, folder, redis.url) as sites:
        yield from _front(nginx, sites, folder)


@pytest.fixture
def mortal_front(nginx, redis, prepared_folder, tmp_path) -> Iterator[Front]:
    with two_sites(prepared_folder, tmp_path, redis.url) as sites:
        yield from _front(nginx, sites, tmp_path)


def _front(nginx: Path, sites: list[LiveSite], folder: Path) -> Iterator[Front]:
    with nginx_before(nginx, sites, folder / "nginx") as front:
        yield front


async def greeted(line) -> Socket:
    tab = Socket(line)
    assert (await tab.next())["type"] == "ready"
    return tab


async def begin(tab: Socket, model: str) -> str:
    content = [{"type": "text", "text": "hello"}]
    reply = await tab.ask("run.start", key=str(uuid.uuid4()), models=[model], content=content)
    assert reply["ok"], reply
    return str(reply["run"])


def test_one_signs_in_over_https_and_gets_a_cookie_for_https_alone(front: Front):
    with front.client() as client:
        answer = front.sign_in(client)
        assert (answer.status_code, answer.headers["Location"]) == (302, "/")
        assert client.get("/").status_code == 200
    cookies = answer.headers.get_list("set-cookie")
    assert any(cookie.startswith("sessionid=") and "; Secure" in cookie for cookie in cookies)


def test_plain_http_is_sent_to_https(front: Front):
    import httpx

    answer = httpx.get(f"http://127.0.0.1:{front.plain_port}/c/x/?y=1")
    assert answer.status_code == 301
    assert answer.headers["Location"] == "https://127.0.0.1/c/x/?y=1"


def test_what_a_visitor_claims_about_https_does_not_count(front: Front):
    with front.client(headers={"X-Forwarded-Proto": "http"}) as client:
        # Believed, it would be sent to https for ever.
        assert client.get("/accounts/login/").status_code == 200


def test_what_a_visitor_claims_about_the_address_does_not_count(front: Front):
    codes = []
    for n in range(6):
        with front.client(headers={"X-Forwarded-For": f"203.0.113.{n}"}) as client:
            codes.append(front.sign_in(client, "mallory", "wrong").status_code)
    # Five wrong ones of one address; each from an address of its own would go on for ever.
    assert codes == [200, 200, 200, 200, 429, 429]


def test_figures_are_not_for_visitors(front: Front):
    with front.client() as client:
        assert client.get("/metrics").status_code == 404


def test_a_body_of_the_size_that_the_servers_take_goes_through(front: Front):
    with front.client() as client:
        small = client.post("/api/v1/conversations", content=b"x" * 2_000_000)
        large = client.post("/api/v1/conversations", content=b"x" * 68_000_000)
    assert small.status_code != 413
    assert large.status_code == 413


async def test_an_answer_comes_as_it_is_made(front: Front):
    with front.client() as client:
        front.sign_in(client)
        async with front.socket(client) as line:
            tab = await greeted(line)
            began = time.monotonic()
            run = await begin(tab, "demo/demo-n200-r100-d20")
            arrived = []
            text = ""
            while True:
                frame = await tab.next()
                if frame["type"] != "event" or frame["run"] != run:
                    continue
                await tab.ack(frame)
                if frame["event"]["type"] == "text.delta":
                    arrived.append(time.monotonic() - began)
                    text += frame["event"]["text"]
                if frame["event"]["type"] == "run.finished":
                    break
    assert text == words(200)
    # Two seconds of text. In one lump, or in lumps of a buffer's size, most would come at the end.
    half = arrived[-1] / 2
    assert len(arrived) > 20
    assert len([moment for moment in arrived if moment < half]) > len(arrived) / 4


@pytest.mark.parametrize("origin", ["https://evil.example", "http://127.0.0.1", "null"])
async def test_a_page_of_somebody_else_gets_no_socket(front: Front, origin: str):
    with front.client() as client:
        front.sign_in(client)
        with pytest.raises(websockets.InvalidStatus) as refused:
            async with front.socket(client, origin=origin):
                pass
    assert refused.value.response.status_code == 403


def holder_of_the_socket(front: Front) -> LiveSite:
    """nginx keeps no connections to the servers, so the only one that is open is the socket's."""

    def is_held(site: LiveSite) -> bool:
        assert site.process is not None
        lines = psutil.Process(site.process.pid).net_connections("tcp")
        return any(line.status == "ESTABLISHED" and line.laddr.port == site.port for line in lines)

    (found,) = [site for site in front.sites if is_held(site)]
    return found


def kill(site: LiveSite) -> None:
    assert site.process is not None
    site.process.kill()
    site.process.wait()
    site.process = None


async def test_when_a_server_is_killed_the_first_new_try_finds_the_other_and_the_answer_ends_whole(
    mortal_front: Front,
):
    with mortal_front.client() as client:
        mortal_front.sign_in(client)
        async with mortal_front.socket(client) as line:
            tab = await greeted(line)
            run = await begin(tab, "demo/demo-n400-r100-d0")
            while not any(f["type"] == "event" and f["event"]["type"] == "text.delta" for f in tab.seen):
                await tab.next()
            await asyncio.to_thread(kill, holder_of_the_socket(mortal_front))
            with pytest.raises(websockets.ConnectionClosed):
                await tab.events(run)
        async with mortal_front.socket(client) as line:
            screen = Screen(await greeted(line), run)
            async with asyncio.timeout(60):
                await screen.watch()
        assert (screen.text, screen.ended) == (words(400), "completed")


def test_a_server_that_ends_costs_nobody_a_page_and_its_return_neither(mortal_front: Front):
    one, other = mortal_front.sites
    with mortal_front.client() as client:
        mortal_front.sign_in(client)
        assert one.process is not None
        one.process.send_signal(signal.SIGTERM)
        codes = {client.get("/").status_code for _ in range(40)}
        one.process.wait(30)
        codes |= {client.get("/").status_code for _ in range(10)}
        one.start()
        kill(other)
        codes |= {client.get("/").status_code for _ in range(20)}
        # A form is sent once only, but to one that takes it.
        assert mortal_front.sign_in(client).status_code == 302
    assert codes == {200}


def test_when_no_server_is_there_visitors_are_told_to_come_back(nginx: Path, tmp_path: Path):
    nobody = [LiveSite(tmp_path), LiveSite(tmp_path)]
    with nginx_before(nginx, nobody, tmp_path / "nginx") as front, front.client() as client:
        answer = client.get("/")
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "2"
    assert "tries again by itself" in answer.text
