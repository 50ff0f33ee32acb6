"""Two server processes, one database and one Redis: whoever makes a run, any of them shows it."""

import asyncio
import signal
import uuid

import pytest

from bench.processes import free_port
from chat.events.codec import Cursor
from tests.live import LiveSite, Person, copy_site, database_url, words
from tests.services import mortal_redis as mortal_redis  # the name is the fixture

MODELS = ["--model", "demo-n400-r100-d0", "--model", "demo-n1000-r100-d0"]

pytestmark = pytest.mark.server


@pytest.fixture
def more() -> dict[str, str]:
    """Further settings of both."""
    return {}


@pytest.fixture
def sites(prepared_folder, tmp_path, mortal_redis, more):
    """A folder each, as on two machines; one database; daphne here, uvicorn there."""
    folders = [tmp_path / "one", tmp_path / "other"]
    for folder in folders:
        copy_site(prepared_folder, folder)
    shared = {
        "REDIS_URL": mortal_redis.url,
        "DATABASE_URL": database_url(folders[0]) or f"sqlite:///{folders[0] / 'db.sqlite3'}",
        "SECRET_KEY": "the same on both, and long enough to be one: 0123456789abcdef",
        **more,
    }
    pair = [
        LiveSite(folder, free_port(), shared, server)
        for folder, server in zip(folders, ("daphne", "uvicorn"), strict=True)
    ]
    pair[0].manage("add_provider", "demo", "--dialect", "openai_chat", "--base-url", "demo:", *MODELS)
    for site in pair:
        site.start()
    yield pair
    for site in pair:
        if site.process is not None:
            site.stop(signal.SIGKILL)


async def begin(tab, deltas: int, per_second: int) -> str:
    reply = await tab.ask(
        "run.start",
        key=str(uuid.uuid4()),
        models=[f"demo/demo-n{deltas}-r{per_second}-d0"],
        content=[{"type": "text", "text": "hello"}],
    )
    assert reply["ok"], reply
    return str(reply["run"])


def other_tab(person: Person, site: LiveSite):
    return Person(site, person.name, person.http).socket()


class Screen:
    """What is on a screen: deltas added, snapshots in the place of all before."""

    def __init__(self, tab, run: str) -> None:
        self.tab, self.run = tab, run
        self.text = ""
        self.last = Cursor(0, 0)
        self.delayed: list[bool] = []
        self.ended = ""

    async def watch(self) -> None:
        await self.tab.ask("run.follow", run=self.run, after=None)
        for frame in self.tab.seen:
            await self.show(frame)
        while not self.ended:
            await self.show(await self.tab.next())

    async def show(self, frame) -> None:
        if frame["type"] == "notice" and frame["name"] == "live.delayed":
            self.delayed.append(frame["delayed"])
        if frame["type"] != "event" or frame["run"] != self.run:
            return
        await self.tab.ack(frame)
        event, cursor = frame["event"], Cursor.parse(frame["cursor"])
        if event["type"] != "run.snapshot" and cursor <= self.last:
            return
        self.last = cursor
        if event["type"] == "text.delta":
            self.text += event["text"]
        elif event["type"] == "run.snapshot":
            parts = [part for step in event["state"]["steps"] for part in step["parts"]]
            self.text = "".join(part["text"] for part in parts)
        elif event["type"] == "step.reset":
            self.text = ""
        elif event["type"] == "run.finished":
            self.ended = event["status"]


async def test_an_answer_whose_server_is_killed_is_finished_by_the_other_before_its_readers_eyes(sites):
    alice = sites[0].sign_in("alice")
    async with alice.socket() as here, other_tab(alice, sites[1]) as there:
        run = await begin(here, 400, 100)
        screen = Screen(there, run)
        watching = asyncio.create_task(screen.watch())
        await asyncio.sleep(1)
        assert "w10 " in screen.text
        sites[0].process.kill()
        sites[0].process.wait()
        sites[0].process = None
        async with asyncio.timeout(30):
            await watching
    assert (screen.text, screen.ended) == (words(400), "completed")


async def test_while_redis_is_away_another_server_s_answer_comes_from_the_database(sites, mortal_redis):
    alice = sites[0].sign_in("alice")
    async with alice.socket() as here, other_tab(alice, sites[1]) as there:
        run = await begin(here, 1000, 100)
        screens = [Screen(here, run), Screen(there, run)]
        watching = [asyncio.create_task(screen.watch()) for screen in screens]
        await asyncio.sleep(1)
        await asyncio.to_thread(mortal_redis.kill)
        shown = len(screens[1].text)
        await asyncio.sleep(3.5)
        assert screens[1].delayed == [True]
        assert len(screens[1].text) > shown
        assert screens[0].delayed == []
        await asyncio.to_thread(mortal_redis.start)
        async with asyncio.timeout(30):
            await asyncio.gather(*watching)
    assert [(screen.text, screen.ended) for screen in screens] == [(words(1000), "completed")] * 2
    assert screens[1].delayed == [True, False]


# Without a hint, the process that makes it would look at the row only then.
@pytest.mark.parametrize("more", [{"PARTIAL_SAVE_SECONDS": "20"}])
async def test_stop_reaches_the_process_that_makes_the_answer_at_once(sites):
    alice = sites[0].sign_in("alice")
    async with alice.socket() as here, other_tab(alice, sites[1]) as there:
        run = await begin(here, 1000, 100)
        await here.events(run, until="text.delta")
        assert (await there.ask("run.stop", run=run))["ok"]
        async with asyncio.timeout(4):
            end = (await here.events(run))[-1]["event"]
    assert end["status"] == "stopped"


async def test_news_reach_a_users_tabs_in_every_process(sites):
    alice = sites[0].sign_in("alice")
    async with alice.socket() as here, other_tab(alice, sites[1]) as there:
        run = await begin(here, 400, 100)
        created = await news(there, "run.created")
        assert (await there.ask("run.stop", run=run))["ok"]
        ended = await news(there, "run.ended")
    assert (created["run"], ended["run"], ended["status"]) == (run, run, "stopped")


@pytest.mark.parametrize("more", [{"DRAIN_SECONDS": "0.5"}])
async def test_a_process_that_is_told_to_end_sends_its_tabs_elsewhere_and_the_answer_goes_on_there(sites):
    alice = sites[0].sign_in("alice")
    async with alice.socket() as here, other_tab(alice, sites[1]) as there:
        run = await begin(here, 400, 100)
        screen = Screen(there, run)
        watching = asyncio.create_task(screen.watch())
        await asyncio.sleep(1)
        ending = asyncio.create_task(asyncio.to_thread(sites[0].stop))
        while (frame := await here.next())["type"] != "closing":
            pass
        assert frame["reason"] == "restart"
        assert await ending == 0
        async with asyncio.timeout(30):
            await watching
    assert (screen.text, screen.ended) == (words(400), "completed")


async def news(tab, name: str) -> dict:
    while True:
        frame = next((one for one in tab.seen if one.get("name") == name), None)
        if frame is not None:
            return frame
        await tab.next()
