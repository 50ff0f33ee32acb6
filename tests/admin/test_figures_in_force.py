"""What staff save in the admin counts for the next calls of a running server, and for those that wait."""

import pytest
from django.test import Client

from chat.engine import figures
from chat.engine.figures import FigureWatch
from chat.models import User
from tests.admin.test_admin import change_url, provider_form
from tests.engine.conftest import chat as chat  # the names are the fixtures
from tests.engine.conftest import runtime as runtime
from tests.engine.conftest import upstream as upstream
from tests.engine.plays import BUSY

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def save(chat):
    """Ada saves the provider's page; then the second passes for which offers are remembered."""

    def post(columns: dict[str, str]) -> int:
        ada, _ = User.objects.get_or_create(username="ada", is_staff=True, is_superuser=True)
        client = Client()
        client.force_login(ada, backend="django.contrib.auth.backends.ModelBackend")
        provider = chat.model.provider
        form = provider_form(name="fake", base_url=provider.base_url, retry_base_seconds="0.01", **columns)
        return client.post(change_url(provider), form).status_code

    async def saved(**columns: str) -> None:
        assert await chat.runtime.database(post, columns) == 302
        offers = chat.runtime.offers
        before = offers._clock
        offers._clock = lambda: before() + 1.0

    return saved


async def end_of(chat, started) -> dict:
    return (await chat.events(started.run))[-1]


async def hang(answer) -> None:
    await answer.say("long")
    await answer.wait_for_hang_up()


async def stop(chat, *all_started) -> None:
    for started in all_started:
        await chat.stop(started)
        await chat.events(started.run)


async def test_attempts(chat, upstream, save):
    upstream.refuse(500, BUSY)
    await save(attempts="2")
    await end_of(chat, await chat.ask("one"))
    assert len(upstream.requests) == 2
    await save(attempts="1")
    await end_of(chat, await chat.ask("two"))
    assert len(upstream.requests) == 3


async def test_breaker_failures(chat, upstream, save):
    upstream.refuse(500, BUSY)
    await save(attempts="1", breaker_failures="3")
    for _ in range(2):
        await end_of(chat, await chat.ask("hello"))
    await save(attempts="1", breaker_failures="2")
    # Two are counted already; the limit is met by the next one that fails.
    await end_of(chat, await chat.ask("hello"))
    assert len(upstream.requests) == 3
    await end_of(chat, await chat.ask("hello"))
    assert len(upstream.requests) == 3


async def test_breaker_failures_raised(chat, upstream, save):
    upstream.refuse(500, BUSY)
    await save(attempts="1", breaker_failures="2")
    await end_of(chat, await chat.ask("hello"))
    await save(attempts="1", breaker_failures="9")
    for _ in range(3):
        await end_of(chat, await chat.ask("hello"))
    assert len(upstream.requests) == 4


async def test_calls_at_once_lowered(chat, upstream, save):
    upstream.play = hang
    await save(calls_at_once="2")
    first, second = await chat.ask("one"), await chat.ask("two")
    for started in (first, second):
        await chat.events(started.run, until="text.delta")
    await save(calls_at_once="1")
    third = await chat.ask("three")
    assert (await chat.events(third.run, until="run.waiting"))[-1]["place"] == 1
    await stop(chat, first)
    assert len(upstream.requests) == 2
    await stop(chat, third, second)


async def test_a_line_gets_more_places_with_the_next_call(chat, upstream, save):
    upstream.play = hang
    await save(calls_at_once="1")
    first = await chat.ask("one")
    await chat.events(first.run, until="text.delta")
    waiting = await chat.ask("two")
    await chat.events(waiting.run, until="run.waiting")
    await save(calls_at_once="3")
    third = await chat.ask("three")
    for started in (waiting, third):
        await chat.events(started.run, until="text.delta")
    assert len(upstream.requests) == 3
    await stop(chat, first, waiting, third)


async def test_a_line_gets_more_places_although_no_call_comes(chat, upstream, save):
    upstream.play = hang
    await save(calls_at_once="1")
    first = await chat.ask("one")
    await chat.events(first.run, until="text.delta")
    waiting = await chat.ask("two")
    await chat.events(waiting.run, until="run.waiting")
    await save(calls_at_once="2")
    await chat.events(waiting.run, until="text.delta")
    await stop(chat, first, waiting)


class Enough(Exception):
    """Ends a loop that has no end."""


async def test_while_nobody_waits_no_database_is_asked(chat, upstream):
    await end_of(chat, await chat.ask("hello"))
    asked, naps = [], []

    async def nap(seconds: float) -> None:
        naps.append(seconds)
        if len(naps) > 3:
            raise Enough

    async def database(*arguments) -> dict:
        asked.append(arguments)
        return {}

    watch = FigureWatch(chat.runtime.safeguards, database, sleep=nap)  # type: ignore[arg-type]
    with pytest.raises(Enough):
        await watch.run()
    assert (asked, set(naps)) == ([], {figures.LOOK_SECONDS})
