"""Looks for providers: those whose key is in the environment, and servers that answer on this machine."""

import asyncio
import os
import re
import time
from collections.abc import Collection, Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from chat.actions.providers import ProviderSpec, add_provider, check_base_url
from chat.exceptions import InvalidRequest, ProviderError
from chat.llm import catalog
from chat.llm.client import Endpoint, ModelClient

LOCAL_SECONDS = 1.0
REMOTE_SECONDS = 4.0
MOST_MODELS = 50
MOST_LISTED = 1000
ANTHROPIC_VERSION = "2023-06-01"


class Place(Struct, frozen=True):
    """Where a provider may be."""

    name: str
    title: str
    base_url: str
    key_env: str = ""
    dialect: str = "openai_chat"

    @property
    def local(self) -> bool:
        return not self.key_env and urlsplit(self.base_url).hostname in ("127.0.0.1", "localhost", "::1")


class FoundProvider(Struct, frozen=True):
    """A provider that was found. `note` says how it went in two or three words, `why` in a sentence where it failed."""

    name: str
    title: str
    dialect: str
    base_url: str
    key_env: str
    models: tuple[str, ...]
    note: str
    why: str = ""

    @property
    def works(self) -> bool:
        return bool(self.models)

    @property
    def address(self) -> str:
        return urlsplit(self.base_url).netloc


OPENAI_URL = "https://api.openai.com/v1"
ANTHROPIC_URL = "https://api.anthropic.com"
BY_KEY = (
    Place("openai", "OpenAI", OPENAI_URL, "OPENAI_API_KEY"),
    Place("anthropic", "Anthropic", ANTHROPIC_URL, "ANTHROPIC_API_KEY", "anthropic_messages"),
    Place("openrouter", "OpenRouter", "https://openrouter.ai/api/v1", "OPENROUTER_API_KEY"),
    Place("gemini", "Gemini", "https://generativelanguage.googleapis.com/v1beta/openai", "GEMINI_API_KEY"),
    Place("mistral", "Mistral", "https://api.mistral.ai/v1", "MISTRAL_API_KEY"),
    Place("deepseek", "DeepSeek", "https://api.deepseek.com/v1", "DEEPSEEK_API_KEY"),
    Place("xai", "xAI", "https://api.x.ai/v1", "XAI_API_KEY"),
    Place("groq", "Groq", "https://api.groq.com/openai/v1", "GROQ_API_KEY"),
    Place("together", "Together", "https://api.together.xyz/v1", "TOGETHER_API_KEY"),
    Place("dashscope", "DashScope", "https://dashscope.aliyuncs.com/compatible-mode/v1", "DASHSCOPE_API_KEY"),
)
_MOVED = (
    ("compatible", "OPENAI_BASE_URL", OPENAI_URL, "OPENAI_API_KEY", "openai_chat"),
    (
        "compatible-messages",
        "ANTHROPIC_BASE_URL",
        ANTHROPIC_URL,
        "ANTHROPIC_API_KEY",
        "anthropic_messages",
    ),
)
ON_THIS_MACHINE = (
    Place("ollama", "Ollama on this machine", "http://127.0.0.1:11434/v1"),
    Place("llama-cpp", "llama.cpp on this machine", "http://127.0.0.1:8080/v1"),
    Place("lm-studio", "LM Studio on this machine", "http://127.0.0.1:1234/v1"),
    Place("vllm", "vLLM on this machine", "http://127.0.0.1:8000/v1"),
)


async def found_providers(
    environ: Mapping[str, str] = os.environ,
    *,
    local: Iterable[Place] = ON_THIS_MACHINE,
    own_ports: Collection[int] = (),
) -> list[FoundProvider]:
    """Asks all of them for their models at once; takes at most `REMOTE_SECONDS`.

    A server on this machine that does not answer, or answers with something else, is left out. One whose key is
    set is always there, with the reason where it does not work. `own_ports` are never asked.
    """
    places = [*_by_environment(environ), *(p for p in local if urlsplit(p.base_url).port not in own_ports)]
    once = {_speaks_at(place): place for place in reversed(places)}
    places = [place for place in places if once[_speaks_at(place)] is place]
    async with ModelClient() as client:
        offers = await asyncio.gather(*(_ask(client, place, environ) for place in places))
    return [offer for offer in offers if offer is not None]


def _speaks_at(place: Place) -> tuple[str, str]:
    return urlsplit(place.base_url).netloc, place.dialect


def accept_offer(offer: FoundProvider) -> list[str]:
    """Adds it as a provider; says what it did. Raises `InvalidRequest` where it offers no model."""
    return add_provider(
        ProviderSpec(offer.name, offer.dialect, offer.base_url, key_env=offer.key_env, models=offer.models)
    )


def _by_environment(environ: Mapping[str, str]) -> list[Place]:
    """The SDKs of the two big houses send the key to `…_BASE_URL` instead, so that is whose key it is then."""
    places = [place for place in BY_KEY if environ.get(place.key_env)]
    elsewhere = [
        Place(name, f"Server at {urlsplit(base_url).netloc}", base_url, key_env, dialect)
        for name, url_env, usual, key_env, dialect in _MOVED
        if (base_url := environ.get(url_env, "").rstrip("/")) and base_url != usual and _is_base_url(base_url)
    ]
    taken = {place.key_env for place in elsewhere}
    known = (place if environ.get(place.key_env) else replace(place, key_env="") for place in elsewhere)
    return [*known, *(place for place in places if place.key_env not in taken)]


def _is_base_url(url: str) -> bool:
    try:
        check_base_url(url)
    except InvalidRequest:
        return False
    return True


async def _ask(client: ModelClient, place: Place, environ: Mapping[str, str]) -> FoundProvider | None:
    key = environ.get(place.key_env, "") if place.key_env else ""
    if not (key.isascii() and key.isprintable() and key == key.strip()):
        return _failed(place, "refused", "It holds a space or a character that no key has.")
    path, headers = listing(place.dialect, key)
    endpoint = Endpoint(place.base_url, headers)
    seconds = LOCAL_SECONDS if place.local else REMOTE_SECONDS
    began = time.perf_counter()
    try:
        status, body = await client.get(endpoint, path, seconds=seconds)
    except ProviderError as error:
        return None if place.local else _failed(place, "no answer", str(error))
    took_ms = round((time.perf_counter() - began) * 1000)
    models = choose_models(read_models(body), everything=place.local) if status == 200 else ()
    if models:
        return FoundProvider(
            place.name,
            place.title,
            place.dialect,
            place.base_url,
            place.key_env,
            models,
            f"answers in {took_ms} ms",
        )
    if place.local:
        return None
    if status in (401, 403):
        return _failed(place, "refused", f"The provider refused the key ({status}).")
    return _failed(place, "no models", f"It answered {status} and listed no model.")


def _failed(place: Place, note: str, why: str) -> FoundProvider:
    return FoundProvider(place.name, place.title, place.dialect, place.base_url, place.key_env, (), note, why)


def listing(dialect: str, key: str) -> tuple[str, dict[str, str]]:
    """Path and headers of the GET that lists a provider's models."""
    if dialect == "anthropic_messages":
        version = {"anthropic-version": ANTHROPIC_VERSION}
        return f"/v1/models?limit={MOST_LISTED}", version | ({"x-api-key": key} if key else {})
    return "/models", {"Authorization": f"Bearer {key}"} if key else {}


def read_models(body: bytes) -> list[str]:
    """The ids of a `GET /models` answer: `{"data": [{"id": …}]}`, or the bare list. Anything else: none."""
    try:
        answer: Any = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return []
    rows = answer.get("data") if isinstance(answer, dict) else answer
    ids = [row.get("id") for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    # Gemini's ids carry the name of their collection.
    names = (name.removeprefix("models/") for name in ids if isinstance(name, str))
    return [name for name in dict.fromkeys(names) if name and len(name) <= 140 and name.isprintable()]


_NO_CHAT = re.compile(
    r"embed|whisper|\btts|dall-e|moderation|image|audio|realtime|transcri|rerank|babbage|davinci|sora|veo|ocr|codex"
)
_DATED = re.compile(r"-\d{4}-\d{2}-\d{2}$")


def choose_models(listed: list[str], *, everything: bool) -> tuple[str, ...]:
    """Which of a provider's models to begin with: all that chat, of a server of one's own; else the ones in the
    catalogue, where there are any, because the big houses list hundreds. Dated twins of a listed model are left out."""
    chatting = [name for name in listed if not _NO_CHAT.search(name.lower())]
    chatting = [
        name for name in chatting if _DATED.sub("", name) == name or _DATED.sub("", name) not in chatting
    ]
    known = [] if everything else [name for name in chatting if catalog.look_up(name)]
    return tuple((known or chatting)[:MOST_MODELS])
