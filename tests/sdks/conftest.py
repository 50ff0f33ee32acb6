"""The official clients of two providers, talking to the demo upstream over real HTTP."""

import pytest

from chat.demo import start_demo_upstream
from chat.demo.script import Pace

MISSING = "the official SDK {0!r} is not installed: pip install -r requirements-dev.txt (or: pip install {0})"


@pytest.fixture
async def upstream():
    server = await start_demo_upstream(pace=Pace(per_second=0, first_ms=0))
    yield server
    await server.close()


@pytest.fixture
async def openai_client(upstream):
    openai = pytest.importorskip("openai", reason=MISSING.format("openai"))
    http = openai.DefaultAsyncHttpxClient(trust_env=False)
    async with openai.AsyncOpenAI(
        base_url=upstream.base_url_for("openai_chat"), api_key="any key", max_retries=0, http_client=http
    ) as client:
        yield client


@pytest.fixture
async def anthropic_client(upstream):
    anthropic = pytest.importorskip("anthropic", reason=MISSING.format("anthropic"))
    http = anthropic.DefaultAsyncHttpxClient(trust_env=False)
    async with anthropic.AsyncAnthropic(
        base_url=upstream.base_url_for("anthropic_messages"),
        api_key="any key",
        max_retries=0,
        http_client=http,
    ) as client:
        yield client
