"""A site that may call the server of a webhook tool, the worker that does so, and the tool `ship`."""

import pytest

import chat.tasks  # noqa: F401  (what is sent has to be registered in this process)
from chat.webhooks.signing import new_secret
from chat.wiring import webhooks
from project.celery import app
from tests.factories import WebhookToolFactory
from tests.fakes.receiver import receiver


@pytest.fixture
def server():
    with receiver() as fake:
        yield fake


@pytest.fixture
def secret():
    return new_secret()


@pytest.fixture
def nothing_sent_before():
    app.control.purge()


@pytest.fixture(autouse=True)
def site(settings, nothing_sent_before, worker):
    settings.PUBLIC_URL = "https://chat.example.org/"
    settings.TOOLS_ALLOWED_HOSTS = ["127.0.0.0/8"]
    settings.WEBHOOK_TOOL_SECONDS = 5
    webhooks.tool_caller.cache_clear()
    yield
    webhooks.tool_caller.cache_clear()


@pytest.fixture
async def ship(chat, server, secret):
    def make():
        return WebhookToolFactory.create(name="ship", url=server.url, secret=secret)

    return await chat.runtime.database(make)
