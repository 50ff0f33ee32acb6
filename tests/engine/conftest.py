"""The whole machine on the test's event loop, with a provider at the wire."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import msgspec
import pytest

from chat import wiring
from chat.actions.runs import Started, StartRequest, start_runs, stop_run
from chat.models import LanguageModel, Message, ModelCall, Provider, Run, User
from chat.wiring import Runtime
from project.celery import app
from project.worker.embedded import EmbeddedWorker
from tests.fakes.upstream import FakeUpstream, fake_upstream


@pytest.fixture
async def upstream() -> AsyncIterator[FakeUpstream]:
    async with fake_upstream() as fake:
        yield fake


@pytest.fixture
async def runtime(transactional_db: None) -> AsyncIterator[Runtime]:
    started = await wiring.startup()
    yield started
    await wiring.shutdown(grace_seconds=0)


@pytest.fixture
def worker(transactional_db: None) -> Iterator[EmbeddedWorker]:
    """Runs tools, as it does where a single process is all there is."""
    started = EmbeddedWorker(app)
    started.start()
    yield started
    started.stop()


@dataclass
class Chat:
    """Alice at the machine: asks, stops, and reads what the log has told."""

    runtime: Runtime
    user: User
    model: LanguageModel
    upstream: FakeUpstream

    async def ask(self, text: str = "hello", **more) -> Started:
        request = StartRequest(
            key=more.pop("key", None) or uuid.uuid4(),
            models=(self.model.full_name,),
            content=None if text is None else [{"type": "text", "text": text}],
            **more,
        )
        return await self.runtime.database(start_runs, self.user, request, self.runtime)

    async def stop(self, started: Started) -> None:
        await self.runtime.database(stop_run, self.user, uuid.UUID(started.run), self.runtime)

    async def events(self, run: str, *, until: str = "run.finished") -> list[dict]:
        """All events of a run, up to the first of the type."""
        news = asyncio.Event()
        feed = self.runtime.log.follow(run, None, news.set)
        seen: list[dict] = []
        async with asyncio.timeout(20):
            while True:
                for made in feed.take(100):
                    frame = msgspec.json.decode(made.frame)
                    seen.append({"cursor": frame["cursor"], **frame["event"]})
                    if seen[-1]["type"] == until:
                        feed.close()
                        return seen
                await news.wait()
                news.clear()

    async def provider(self, **columns) -> None:
        """Changes the provider's settings; counts for what is asked from now on."""
        self.runtime.offers.forget(self.model.pk)
        await self.runtime.database(Provider.objects.filter(name="fake").update, **columns)

    async def calls(self) -> list[ModelCall]:
        return await self.runtime.database(lambda: list(ModelCall.objects.order_by("started_at", "attempt")))

    async def row(self, run: str) -> Run:
        return await self.runtime.database(Run.objects.get, pk=run)

    async def answer(self, started: Started) -> Message:
        return await self.runtime.database(Message.objects.get, pk=started.runs[0].message)


@pytest.fixture
async def chat(runtime: Runtime, upstream: FakeUpstream) -> Chat:
    def prepare() -> tuple[User, LanguageModel]:
        provider = Provider(name="fake", base_url=upstream.base_url, retry_base_seconds=0.02)
        provider.set_key("the-key")
        provider.save()
        model = LanguageModel.objects.create(provider=provider, name="model-1")
        return User.objects.create(username="alice"), model

    user, model = await runtime.database(prepare)
    return Chat(runtime, user, model, upstream)
