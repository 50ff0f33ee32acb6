"""Looking for providers, against real servers on loopback."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web

from chat.actions.provider_offers import (
    FoundProvider,
    Place,
    accept_offer,
    choose_models,
    found_providers,
    read_models,
)
from chat.exceptions import InvalidRequest
from chat.models import LanguageModel, Provider

Serve = Callable[[str], Awaitable[str]]
LISTED = json.dumps({"object": "list", "data": [{"id": "qwen3:32b"}, {"id": "nomic-embed-text"}]})


class Upstream:
    """Answers `GET /v1/models` with `body` and `status`, and remembers what it was asked."""

    def __init__(self) -> None:
        self.status, self.body = 200, LISTED
        self.headers: list[dict[str, str]] = []
        self.base_url = ""

    async def answer(self, request: web.Request) -> web.Response:
        self.headers.append(dict(request.headers))
        return web.Response(status=self.status, text=self.body, content_type="application/json")

    @property
    def port(self) -> int:
        return int(self.base_url.split(":")[2].split("/")[0])


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    upstream = Upstream()
    app = web.Application()
    app.router.add_get("/v1/models", upstream.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    upstream.base_url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    yield upstream
    await runner.cleanup()


def local(base_url: str) -> Place:
    return Place("ollama", "Ollama on this machine", base_url)


async def test_a_server_on_this_machine_is_found_with_its_models(upstream: Upstream):
    [offer] = await found_providers({}, local=[local(upstream.base_url)])

    assert offer.models == ("qwen3:32b",)
    assert offer.works
    assert (offer.name, offer.dialect, offer.key_env) == ("ollama", "openai_chat", "")
    assert offer.note.startswith("answers in ")


async def test_our_own_port_is_never_asked(upstream: Upstream):
    offers = await found_providers({}, local=[local(upstream.base_url)], own_ports=[upstream.port])

    assert offers == []
    assert upstream.headers == []


async def test_where_nobody_listens_nothing_is_found(unused_tcp_port: int):
    assert await found_providers({}, local=[local(f"http://127.0.0.1:{unused_tcp_port}/v1")]) == []


@pytest.mark.parametrize(
    ("status", "body"),
    [(404, "{}"), (500, LISTED), (200, "<html>"), (200, "{}"), (200, '{"data": []}'), (200, '{"data": [1, {}]}'),
     (301, ""), (200, "\udcff".encode("utf-8", "surrogatepass").decode("latin-1"))],
)  # fmt: skip
async def test_a_server_that_is_something_else_is_left_out(upstream: Upstream, status: int, body: str):
    upstream.status, upstream.body = status, body

    assert await found_providers({}, local=[local(upstream.base_url)]) == []


@pytest.mark.parametrize(
    "greeting", [b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", b""]
)
async def test_a_server_that_does_not_speak_http_is_left_out(greeting: bytes):
    async def greet(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        writer.close()

    async with await asyncio.start_server(greet, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        assert await found_providers({}, local=[local(f"http://127.0.0.1:{port}/v1")]) == []


async def test_a_server_that_never_answers_is_given_up():
    hung_up = asyncio.Event()

    async def stay_silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()
        hung_up.set()

    async with await asyncio.start_server(stay_silent, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        offers = await asyncio.wait_for(found_providers({}, local=[local(f"http://127.0.0.1:{port}/v1")]), 20)
        await asyncio.wait_for(hung_up.wait(), 20)
    assert offers == []


async def test_the_base_url_of_the_openai_sdk_is_asked_with_its_key(upstream: Upstream):
    environ = {"OPENAI_BASE_URL": upstream.base_url + "/", "OPENAI_API_KEY": "sk-1"}

    [offer] = await found_providers(environ, local=[])

    assert (offer.name, offer.base_url, offer.key_env) == ("compatible", upstream.base_url, "OPENAI_API_KEY")
    assert upstream.headers[0]["Authorization"] == "Bearer sk-1"


async def test_a_base_url_needs_no_key(upstream: Upstream):
    [offer] = await found_providers({"OPENAI_BASE_URL": upstream.base_url}, local=[])

    assert offer.works
    assert "Authorization" not in upstream.headers[0]


async def test_anthropic_speaks_its_own_dialect_wherever_its_base_url_says(upstream: Upstream):
    base_url = upstream.base_url.removesuffix("/v1")
    environ = {"ANTHROPIC_BASE_URL": base_url, "ANTHROPIC_API_KEY": "sk-ant-1"}

    [offer] = await found_providers(environ, local=[])

    assert (offer.dialect, offer.base_url) == ("anthropic_messages", base_url)
    assert (offer.key_env, offer.models) == ("ANTHROPIC_API_KEY", ("qwen3:32b",))
    assert upstream.headers[0]["x-api-key"] == "sk-ant-1"
    assert upstream.headers[0]["anthropic-version"] == "2023-06-01"


async def test_an_address_that_is_known_from_the_environment_is_asked_once(upstream: Upstream):
    offers = await found_providers({"OPENAI_BASE_URL": upstream.base_url}, local=[local(upstream.base_url)])

    assert [offer.name for offer in offers] == ["compatible"]
    assert len(upstream.headers) == 1


async def test_a_refused_key_is_shown_with_the_reason(upstream: Upstream):
    upstream.status = 401

    [offer] = await found_providers(
        {"OPENAI_BASE_URL": upstream.base_url, "OPENAI_API_KEY": "sk-1"}, local=[]
    )

    assert not offer.works
    assert (offer.note, offer.why) == ("refused", "The provider refused the key (401).")


async def test_a_provider_with_a_key_that_cannot_be_reached_is_shown(unused_tcp_port: int):
    environ = {"OPENAI_BASE_URL": f"http://127.0.0.1:{unused_tcp_port}/v1", "OPENAI_API_KEY": "sk-1"}

    [offer] = await found_providers(environ, local=[])

    assert (offer.works, offer.note) == (False, "no answer")


@pytest.mark.parametrize("key", ["sk-1\nX-Evil: yes", " sk-1", "sk-é"])
async def test_a_key_that_no_header_can_carry_is_not_sent(upstream: Upstream, key: str):
    [offer] = await found_providers({"OPENAI_BASE_URL": upstream.base_url, "OPENAI_API_KEY": key}, local=[])

    assert offer.note == "refused"
    assert upstream.headers == []


@pytest.mark.parametrize("url", ["nonsense", "file:///etc/passwd", "http://"])
async def test_a_bad_base_url_in_the_environment_is_no_offer(url: str):
    assert await found_providers({"OPENAI_BASE_URL": url}, local=[]) == []


async def test_an_empty_environment_offers_nothing():
    assert await found_providers({"OPENAI_API_KEY": "", "ANTHROPIC_API_KEY": ""}, local=[]) == []


@pytest.mark.parametrize(
    ("body", "names"),
    [
        (b'{"data": [{"id": "a"}, {"id": "b"}, {"id": "a"}]}', ["a", "b"]),
        (b'[{"id": "a"}]', ["a"]),
        (b'{"data": [{"id": "models/gemini-2.5-pro"}]}', ["gemini-2.5-pro"]),
        (b'{"data": [{"id": ""}, {"id": 7}, {"id": "a\\nb"}, null]}', []),
        (b'{"data": "a"}', []),
        (b"[" * 100_000, []),
    ],
)
def test_lists_of_models_are_read_as_providers_write_them(body: bytes, names: list[str]):
    assert read_models(body) == names


@pytest.mark.parametrize(
    ("listed", "chosen"),
    [
        (["gpt-5", "davinci-002", "text-embedding-3-small", "gpt-4o-audio-preview"], ("gpt-5",)),
        (["gpt-4o", "gpt-4o-2024-08-06"], ("gpt-4o",)),
        (["claude-sonnet-4-5-20250929"], ("claude-sonnet-4-5-20250929",)),
        (["someone/odd-model", "gpt-5"], ("gpt-5",)),
        (["llama-3.3-70b", "qwen-3"], ("llama-3.3-70b", "qwen-3")),
        ([f"m{n}" for n in range(200)], tuple(f"m{n}" for n in range(50))),
    ],
)
def test_of_what_a_big_house_lists_the_known_chat_models_are_chosen(
    listed: list[str], chosen: tuple[str, ...]
):
    assert choose_models(listed, everything=False) == chosen


def test_of_ones_own_server_everything_that_chats_is_chosen():
    assert choose_models(["gpt-5", "my-model", "my-embedder"], everything=True) == ("gpt-5", "my-model")


OFFER = FoundProvider(
    "ollama", "Ollama", "openai_chat", "http://127.0.0.1:11434/v1", "", ("qwen3:32b",), "answers in 1 ms"
)


def test_an_accepted_offer_becomes_a_provider(db: None):
    accept_offer(OFFER)

    assert Provider.objects.get().base_url == OFFER.base_url
    assert LanguageModel.objects.get().full_name == "ollama/qwen3:32b"


def test_an_offer_without_models_cannot_be_accepted(db: None):
    with pytest.raises(InvalidRequest):
        accept_offer(FoundProvider("openai", "OpenAI", "openai_chat", "https://x/v1", "K", (), "refused"))
    assert not Provider.objects.exists()
