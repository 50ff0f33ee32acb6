"""The pages "Limits now": what staff see of the safeguards, and the breaker's switch."""

import asyncio
import json
import re

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.test import Client

from chat.admin import safeguards as pages
from chat.models import LanguageModel, Provider, User
from chat.resilience.backends.base import Learned
from tests.engine.conftest import chat as chat  # the names are the fixtures
from tests.engine.conftest import runtime as runtime
from tests.engine.conftest import upstream as upstream
from tests.engine.plays import BUSY
from tests.factories import ProviderFactory, UserFactory
from tests.services import redis_url as redis_url

pytestmark = pytest.mark.django_db(transaction=True)

NASTY = "<img src=x onerror=alert(1)>"
WHY = "their status page says so"


def client_of(user: User, **more) -> Client:
    client = Client(**more)
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def staff(*permissions: str) -> Client:
    user = UserFactory.create(is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    return client_of(user)


def url(provider: Provider, more: str = "") -> str:
    return f"/admin/chat/provider/{provider.pk}/limits/{more}"


OVERVIEW = "/admin/chat/provider/limits/"


class Desk:
    """Ada at the admin of a running server; her requests are answered in another thread, as in production."""

    def __init__(self, chat):
        self.runtime, self.chat = chat.runtime, chat
        self.provider = chat.model.provider

    async def ask(self, method: str, *arguments, **more):
        def answer():
            ada, _ = User.objects.get_or_create(username="ada", is_staff=True, is_superuser=True)
            return getattr(client_of(ada), method)(*arguments, **more)

        return await self.runtime.database(answer)

    async def page(self) -> str:
        return (await self.ask("get", url(self.provider))).content.decode()

    async def data(self) -> dict:
        return json.loads((await self.ask("get", url(self.provider, "now/"))).content)

    async def overview(self) -> dict:
        return json.loads((await self.ask("get", f"{OVERVIEW}now/")).content)

    async def switch(self, state: str, reason: str = WHY):
        form = {"state": state, "reason": reason}
        return (await self.ask("post", url(self.provider, "breaker/"), form, follow=True)).content.decode()

    async def history(self) -> list[str]:
        return await self.runtime.database(
            lambda: [entry.get_change_message() for entry in LogEntry.objects.order_by("pk")]
        )


@pytest.fixture
def desk(chat) -> Desk:
    return Desk(chat)


def facts(data: dict) -> dict[str, str]:
    return {fact["key"]: fact["value"]["text"] for section in data["sections"] for fact in section["facts"]}


def table(data: dict, key: str) -> list[list[str]]:
    [rows] = [t["rows"] for section in data["sections"] for t in section["tables"] if t["key"] == key]
    return [[cell["text"] for cell in row] for row in rows]


async def hang(answer):
    await answer.say("long")
    await answer.wait_for_hang_up()


# --- who may look, who may switch ----------------------------------------------------------------------


@pytest.mark.parametrize("more", ["", "now/"])
def test_only_staff_who_may_see_providers_see_their_limits(alice: User, more: str):
    provider = ProviderFactory.create()
    for path in (url(provider, more), OVERVIEW + more):
        assert client_of(alice).get(path).status_code == 302
        assert staff().get(path).status_code == 403
        assert staff("view_provider").get(path).status_code == 200


def test_who_may_only_look_has_no_switch():
    provider = ProviderFactory.create()
    looking = staff("view_provider")
    assert 'name="reason"' not in looking.get(url(provider)).content.decode()
    answer = looking.post(url(provider, "breaker/"), {"state": "forced_open", "reason": WHY})
    assert answer.status_code == 403
    assert not LogEntry.objects.exists()


def test_the_switch_takes_no_get_and_no_foreign_form(ada: User):
    provider = ProviderFactory.create()
    assert client_of(ada).get(url(provider, "breaker/")).status_code == 405
    form = {"state": "forced_open", "reason": WHY}
    foreign = client_of(ada, enforce_csrf_checks=True).post(url(provider, "breaker/"), form)
    assert foreign.status_code == 403
    assert not LogEntry.objects.exists()


def test_a_provider_that_is_not_there_is_not_found(ada: User):
    provider = ProviderFactory.build()
    for more in ("", "now/"):
        assert client_of(ada).get(url(provider, more)).status_code == 404


def test_the_pages_are_linked_from_the_list_and_the_provider(ada: User):
    provider = ProviderFactory.create()
    listed = client_of(ada).get("/admin/chat/provider/").content.decode()
    assert f'href="{OVERVIEW}"' in listed
    assert f'href="{url(provider)}"' in listed
    change = client_of(ada).get(f"/admin/chat/provider/{provider.pk}/change/").content.decode()
    assert f'href="{url(provider)}"' in change


# --- where there is little to see ----------------------------------------------------------------------


def test_a_process_without_model_calls_says_so_and_shows_the_figures(ada: User):
    provider = ProviderFactory.create(attempts=7)
    page = client_of(ada).get(url(provider)).content.decode()
    assert "This process has made no model call since its start" in page
    assert "Figures in force" in page
    data = client_of(ada).get(url(provider, "now/")).json()
    assert data["now"] is None
    assert ["attempts", "7", "set here"] in table(data, "figures")
    assert "This process has made no model call" in client_of(ada).get(OVERVIEW).content.decode()


def test_a_switch_nobody_can_turn_now_is_said_and_noted(ada: User):
    provider = ProviderFactory.create()
    form = {"state": "forced_open", "reason": WHY}
    page = client_of(ada).post(url(provider, "breaker/"), form, follow=True).content.decode()
    assert "This process has made no model call since its start" in page
    assert [entry.get_change_message() for entry in LogEntry.objects.order_by("pk")] == [
        f"Circuit breaker: forced open. Reason: {WHY}",
        "Circuit breaker: no answer whether that was done.",
    ]


def test_the_scripted_provider_has_no_limits_and_no_switch(ada: User):
    provider = ProviderFactory.create(base_url="demo:")
    page = client_of(ada).get(url(provider)).content.decode()
    assert "neither limits nor a breaker" in page
    assert 'name="reason"' not in page
    form = {"state": "forced_open", "reason": WHY}
    told = client_of(ada).post(url(provider, "breaker/"), form, follow=True).content.decode()
    assert "There is no such switch." in told
    assert not LogEntry.objects.exists()


def test_figures_say_where_they_come_from(ada: User, settings, monkeypatch: pytest.MonkeyPatch):
    settings.IDLE_SECONDS = 33.0
    monkeypatch.setenv("IDLE_SECONDS", "33")
    monkeypatch.delenv("CONNECT_SECONDS", raising=False)
    provider = ProviderFactory.create(calls_at_once=7, retry_share=0.0, total_seconds=90)
    figures = table(client_of(ada).get(url(provider, "now/")).json(), "figures")
    assert ["calls at once", "7", "set here"] in figures
    assert ["retry share", "0", "set here"] in figures
    assert ["total seconds", "90", "set here"] in figures
    assert ["idle seconds", "33", "setting IDLE_SECONDS"] in figures
    assert ["connect seconds", "5", "default"] in figures
    assert ["breaker failures", "5", "default"] in figures


def test_models_that_reason_have_the_first_token_of_all_where_only_that_is_set(ada: User):
    provider = ProviderFactory.create(first_token_seconds=7)
    figures = table(client_of(ada).get(url(provider, "now/")).json(), "figures")
    assert ["first token reasoning seconds", "7", "set here, as first token seconds"] in figures


async def test_a_loop_that_does_not_answer_is_said(desk, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pages, "ANSWER_SECONDS", 0.05)

    async def never():
        await asyncio.Event().wait()

    monkeypatch.setattr(desk.runtime.safeguards.breakers, "views", never)
    assert "too busy to say" in await desk.page()


# --- what is shown ---------------------------------------------------------------------------------------


async def test_calls_in_flight_are_seen_with_whose_they_are(desk, upstream):
    upstream.play = hang
    started = await desk.chat.ask("hello")
    await desk.chat.events(started.run, until="text.delta")
    data = await desk.data()
    shown = facts(data)
    assert shown["calls"] == "1 of 500"
    assert (shown["adaptive.limit"], shown["adaptive.in_flight"]) == ("500 of 500", "1")
    assert (shown["retries.calls"], shown["retries.made"], shown["retries.share"]) == ("1", "0 of 10", "0 %")
    assert table(data, "users") == [["alice", "1 of 20", "0"]]
    assert data["counted"] == "Counted by this process alone: REDIS_URL is not set."
    assert "1 of 500" in await desk.page()
    await desk.chat.stop(started)
    await desk.chat.events(started.run)
    assert facts(await desk.data())["calls"] == "0 of 500"


async def test_who_waits_is_counted_by_line(desk, upstream):
    await desk.chat.provider(calls_at_once=1)
    upstream.play = hang
    first = await desk.chat.ask("one")
    await desk.chat.events(first.run, until="text.delta")
    second = await desk.chat.ask("two")
    await desk.chat.events(second.run, until="run.waiting")
    data = await desk.data()
    assert ["a place of the provider", "1"] in table(data, "lines")
    assert table(data, "users") == [["alice", "2 of 20", "0"]]
    assert "also calls that stand in a provider&#x27;s line" in await desk.page()
    assert (await desk.overview())["now"]["providers"][str(desk.provider.pk)]["waiting"] == 1
    for started in (second, first):
        await desk.chat.stop(started)
        await desk.chat.events(started.run)


async def test_an_open_breaker_is_seen_with_the_time_it_will_be_tried_again(desk, upstream):
    await desk.chat.provider(attempts=1, breaker_failures=2)
    upstream.refuse(500, BUSY)
    await desk.chat.events((await desk.chat.ask("hello")).run)
    assert facts(await desk.data())["breaker.failures"] == "1 of 2"
    await desk.chat.events((await desk.chat.ask("hello")).run)
    shown = facts(await desk.data())
    assert shown["breaker.state"] == "open: left alone"
    assert re.fullmatch(r"\d\d:\d\d:\d\d, in (2\d|30) s", shown["breaker.until"])
    assert 'data-fact="breaker.state" data-state="open"' in await desk.page()


async def test_buckets_show_what_was_set_and_what_was_learned(desk):
    model = str(desk.chat.model.pk)
    backend = desk.runtime.safeguards._backend
    await backend.learn([Learned(f"requests:{model}", 60, 1, remaining=30)])
    await backend.learn([Learned(f"tokens:{model}", 90_000, 90_000 / 86_400, remaining=90_000)])
    every, requests, tokens = table(await desk.data(), "buckets")
    assert every == ["all calls", "200, 100 a second", "200", "0.0 s", "–", "default"]
    assert requests[:2] == ["model-1: requests", "60, 1 a second"]
    assert requests[-1] == "learned"
    assert tokens[:3] == ["model-1: tokens", "90,000, 1.0 a second", "90,000"]


async def test_the_overview_has_a_row_for_each_provider_and_each_host_that_fails(desk):
    async with desk.runtime.safeguards.host_passage("https://tools.example.org/v1") as passage:
        passage.failed()
    async with desk.runtime.safeguards.host_passage("https://well.example.org/") as passage:
        passage.succeeded()
    data = await desk.overview()
    assert table(data, "providers") == [["fake", "closed: calls go through", "0 of 500", "500 of 500", "0"]]
    assert table(data, "hosts") == [["tools.example.org", "closed: calls go through", "1", "–", "0"]]


async def test_nothing_that_people_have_named_is_html(desk, upstream):
    def rename():
        User.objects.filter(username="alice").update(username=NASTY)
        LanguageModel.objects.filter(pk=desk.chat.model.pk).update(name=NASTY)

    await desk.runtime.database(rename)
    await desk.runtime.safeguards.breakers.force(f"host:{NASTY}", "forced_open")
    await desk.runtime.safeguards.limiter.hold_off(f"requests:{desk.chat.model.pk}", 30)
    async with desk.runtime.safeguards.places.hold(f"user:{desk.chat.user.pk}", 9):
        page = await desk.page()
    overview = (await desk.ask("get", OVERVIEW)).content.decode()
    for body, times in ((page, 2), (overview, 1)):
        assert NASTY not in body
        assert body.count("&lt;img src=x") == times


async def test_no_page_needs_an_inline_script_or_style(desk):
    for path in (url(desk.provider), OVERVIEW):
        answer = await desk.ask("get", path)
        body = answer.content.decode()
        assert "unsafe-inline" not in answer["Content-Security-Policy"]
        assert all(" src=" in tag for tag in re.findall(r"<script[^>]*>", body))
        assert not re.search(r"\son\w+=|\sstyle=", body)


# --- the switch ------------------------------------------------------------------------------------------


async def test_forced_open_no_call_is_made_until_it_counts_again(desk, upstream):
    page = await desk.switch("forced_open")
    assert "Done. It counts from the next call on, in this process: REDIS_URL is not set." in page
    assert "forced open by staff" in page
    forced = facts(await desk.data())["breaker.forced"]
    assert re.fullmatch(rf"ada, \d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d: {WHY}", forced)
    error = (await desk.chat.events((await desk.chat.ask("hello")).run))[-1]["error"]
    assert error["code"] == "provider_overloaded"
    assert "retry_after_seconds" not in error
    assert upstream.requests == []
    await desk.switch("counting", reason="they are back")
    assert facts(await desk.data())["breaker.forced"] == "–"
    assert (await desk.chat.events((await desk.chat.ask("hello")).run))[-1]["status"] == "completed"
    assert await desk.history() == [
        f"Circuit breaker: forced open. Reason: {WHY}",
        "Circuit breaker: counting. Reason: they are back",
    ]


async def test_forced_closed_every_call_is_made(desk, upstream):
    await desk.chat.provider(attempts=1, breaker_failures=1)
    await desk.switch("forced_closed")
    upstream.refuse(500, BUSY)
    for _ in range(3):
        await desk.chat.events((await desk.chat.ask("hello")).run)
    assert len(upstream.requests) == 3
    assert facts(await desk.data())["breaker.state"] == "forced closed by staff"


@pytest.mark.parametrize(("state", "reason"), [("forced_open", "  "), ("half_open", WHY), ("", WHY)])
async def test_without_a_reason_or_a_known_word_nothing_is_switched(desk, state: str, reason: str):
    await desk.switch(state, reason)
    assert await desk.runtime.safeguards.breakers.views() == {}
    assert await desk.history() == []


# --- with Redis ------------------------------------------------------------------------------------------


@pytest.fixture
def with_redis(settings, redis_url: str) -> None:
    settings.REDIS_URL = redis_url


@pytest.fixture
def desk_with_redis(with_redis: None, desk: Desk) -> Desk:
    return desk


async def test_over_redis_the_page_shows_what_all_processes_do(desk_with_redis):
    desk = desk_with_redis
    # As another process would.
    backend = desk.runtime.safeguards._backend
    user, key = desk.chat.user.pk, f"provider:{desk.provider.pk}"
    for place in (f"user:{user}", key):
        await backend.acquire(place, 9, holder="elsewhere", lease_seconds=9)
    await backend.breaker_force(key, "forced_closed")
    data = await desk.data()
    assert data["counted"] == "Counted over all processes, in Redis."
    assert facts(data)["calls"] == "1 of 500"
    assert facts(data)["breaker.state"] == "forced closed by staff"
    assert facts(data)["breaker.forced"] == "somebody of whom the history does not know"
    assert "Done. It counts from the next call on, in all processes." in await desk.switch("counting")
    assert ["alice", "1 of 20", "0"] in table(data, "users")
    await desk.switch("counting")
    assert facts(await desk.data())["breaker.state"] == "closed: calls go through"
    for place in (f"user:{user}", key):
        await backend.release(place, "elsewhere")


@pytest.fixture
def no_redis(settings, unused_tcp_port: int) -> None:
    settings.REDIS_URL = f"redis://127.0.0.1:{unused_tcp_port}/0"


@pytest.fixture
def desk_without_redis(no_redis: None, desk: Desk) -> Desk:
    return desk


async def test_a_redis_that_is_away_is_said_and_the_switch_works_here(desk_without_redis):
    desk = desk_without_redis
    await desk.data()
    assert (await desk.data())["counted"].startswith("Redis does not answer")
    page = await desk.switch("forced_open")
    assert "only this process follows" in page
    error = (await desk.chat.events((await desk.chat.ask("hello")).run))[-1]["error"]
    assert error["code"] == "provider_overloaded"
