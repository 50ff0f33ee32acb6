"""The database goes away again and again while people ask, stop and ask once more; nothing is wrong or lost (P5)."""

import asyncio
import json
import random
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from bench.report import row
from tests.chaos.ground import Ground, ground
from tests.chaos.ledger import differences as ledger_differences
from tests.chaos.monkey import Monkey, absence, on_postgresql, on_sqlite, pause
from tests.chaos.report import Section
from tests.chaos.tab import Screen, Tab
from tests.live import Person, words
from tests.postgres import Postgres, postgres

PROMISED_SECONDS = 2.0
DELTAS = 120
MODEL = f"demo-n{DELTAS}-r40-d100"
WHOLE = words(DELTAS)
TABS = 10
GIVES_UP = 0.2
"""So many of those who are refused never ask again."""
PROBE_SECONDS = 0.4
DATABASES = ("sqlite", "postgresql")
HEADS = (
    "database",
    "away",
    "runs",
    "wrong",
    "lost",
    "starts refused",
    "answered after, s: max",
    "left behind",
    "pages 503 / asked while away",
    "answered after, s: max",
    "changes 503 / asked",
    "answered after, s: max",
    "sockets lost",
    "calls: ledger / upstream",
    "goal, s",
)


@dataclass
class Probes:
    """Began at, ended at, status, whether `Retry-After` was there."""

    seen: list[tuple[float, float, int, bool]] = field(default_factory=list)

    def while_away(self, monkey: Monkey) -> list[int]:
        """The answers that were asked for and came while it was away."""
        return [status for since, until, status, _ in self.seen if monkey.was_away(since, until)]

    def slowest(self, monkey: Monkey) -> float:
        """Of what was asked while it was away, whenever the answer came."""
        return max((u - s for s, u, *_ in self.seen if monkey.was_away(s, s)), default=0.0)

    @property
    def unexpected(self) -> int:
        """Neither served nor told to come back."""
        return sum(status not in (200, 503) or (status == 503 and not told) for *_, status, told in self.seen)


@dataclass
class Made:
    """A run as its tab saw it."""

    run: str
    message: str
    screen: Screen
    stopped: bool


@dataclass
class Play:
    found: Ground
    monkey: Monkey
    tabs: list[Tab]
    made: list[Made] = field(default_factory=list)
    given_up: list[str] = field(default_factory=list)
    over: asyncio.Event = field(default_factory=asyncio.Event)
    chance: random.Random = field(default_factory=lambda: random.Random(5))  # noqa: S311
    pages: Probes = field(default_factory=Probes)
    changes: Probes = field(default_factory=Probes)


async def measure(
    seconds: float = 600,
    runs: int = 300,
    most_away: float = 5.0,
    databases: Sequence[str] = DATABASES,
    within_seconds: float = PROMISED_SECONDS,
) -> Section:
    section = Section(f"P5: the database goes away, for {seconds:g} s", HEADS)
    for name in databases:
        with _ground(name) as (found, monkey):
            play = Play(found, monkey, [Tab(person) for person in found.people])
            await _perform(play, seconds, runs, most_away)
            _judge(section, name, play, within_seconds)
    section.note(
        f"Away for 1 to {most_away:g} s, then left alone for 2 to 6 s: PostgreSQL stopped, killed or frozen in turn, "
        "SQLite locked by another program (it can be read meanwhile). A fifth of the runs is stopped, a fifth asked "
        "once more. Wrong: text on the screen, in the database and as it was said are not the same to the byte, or "
        "something unasked for was told. Lost: without an end. Left behind: of starts that were refused and never sent "
        "again. Answered after: the slowest answer of any kind to what was asked while the database was away."
    )
    return section


@contextmanager
def _ground(name: str) -> Iterator[tuple[Ground, Monkey]]:
    if name == "sqlite":
        with ground(people=TABS + 1, models=[MODEL]) as found:
            yield found, on_sqlite(found.site.folder / "db.sqlite3")
        return
    with postgres(range(8100, 8110)) as server:
        assert server.is_ours, "the server of TEST_DATABASE_URL is not ours to stop"
        yield from _on(server)


def _on(server: Postgres) -> Iterator[tuple[Ground, Monkey]]:
    with ground(people=TABS + 1, models=[MODEL], database=server) as found:
        server.checkpoint()
        yield found, on_postgresql(server)


# --- the play ---------------------------------------------------------------------------------------------


async def _perform(play: Play, seconds: float, runs: int, most_away: float) -> None:
    turns = iter(range(runs))
    began = time.monotonic()

    async def tab_plays(tab: Tab) -> None:
        for number in turns:
            # Spread over the time, whoever is free takes the next.
            await asyncio.sleep(max(0.0, began + number * seconds / runs - time.monotonic()))
            await _one(play, tab, number)

    probing = asyncio.create_task(_probe(play, play.found.people[-1]))
    monkeying = asyncio.create_task(_monkey(play, most_away))
    await asyncio.gather(*(tab_plays(tab) for tab in play.tabs[:TABS]))
    play.over.set()
    await asyncio.gather(probing, monkeying)
    for tab in play.tabs:
        await tab.close()


async def _monkey(play: Play, most_away: float) -> None:
    while not play.over.is_set():
        await asyncio.sleep(min(pause(play.chance), most_away))
        await asyncio.to_thread(play.monkey.play, absence(play.chance, most_away))


async def _one(play: Play, tab: Tab, number: int) -> None:
    asked: dict[str, Any] = {
        "key": str(uuid.uuid4()),
        "models": [f"demo/{MODEL}"],
        "content": [{"type": "text", "text": f"run {number}"}],
    }
    reply = await tab.ask_once("run.start", **asked)
    if not reply["ok"] and play.chance.random() < GIVES_UP:
        play.given_up.append(asked["key"])
        return
    reply = reply if reply["ok"] else await tab.ask("run.start", **asked)
    if not reply["ok"]:
        return
    stop = number % 5 == 0
    await _follow(play, tab, reply, stop=stop)
    if number % 5 == 1:
        once_more = {"conversation": reply["conversation"], "parent": reply["message"], "content": None}
        again = await tab.ask("run.start", **{**asked, **once_more, "key": str(uuid.uuid4())})
        if again["ok"]:
            await _follow(play, tab, again, stop=False)


async def _follow(play: Play, tab: Tab, started: dict[str, Any], *, stop: bool) -> None:
    made = Made(started["run"], started["runs"][0]["message"], Screen(started["run"]), stop)
    play.made.append(made)
    if stop:
        await tab.watch(made.screen, seconds=1.0)
        if not made.screen.end:
            await tab.ask("run.stop", run=made.run)
    await tab.watch(made.screen)


async def _probe(play: Play, person: Person) -> None:
    """A page, and a change over REST, again and again."""
    tab = Tab(person)
    started = await tab.ask(
        "run.start", key=str(uuid.uuid4()), models=[f"demo/{MODEL}"], content=[{"type": "text", "text": "x"}]
    )
    await _follow(play, tab, started, stop=False)
    await tab.close()
    path = f"/api/v1/conversations/{started['conversation']}"
    headers = {"X-CSRFToken": person.http.cookies["csrftoken"], "Referer": person.site.url}
    async with httpx.AsyncClient(
        base_url=person.site.url, cookies=person.http.cookies, headers=headers, timeout=30
    ) as http:
        while not play.over.is_set():
            await asyncio.gather(
                _ask(http, play.pages, "GET", "/"), _ask(http, play.changes, "PATCH", path, {"title": "new"})
            )
            await asyncio.sleep(PROBE_SECONDS)


async def _ask(http: httpx.AsyncClient, probes: Probes, method: str, path: str, body: Any = None) -> None:
    since = time.monotonic()
    try:
        answer = await http.request(method, path, json=body)
    except httpx.HTTPError:
        probes.seen.append((since, time.monotonic(), 0, False))
    else:
        told = "retry-after" in answer.headers
        probes.seen.append((since, time.monotonic(), answer.status_code, told))


# --- the judgement ------------------------------------------------------------------------------------------


def _judge(section: Section, name: str, play: Play, within_seconds: float) -> None:
    found = play.found
    wrong: Counter[str] = Counter()
    for tab in play.tabs:
        wrong.update(tab.wrong)
    lost = sum(_judge_run(found, made, wrong) for made in play.made)
    open_runs = found.query("SELECT COUNT(*) FROM chat_run WHERE finished_at IS NULL")[0][0]
    refused = sum(tab.refused for tab in play.tabs)
    left = sum(_count(found, "chat_run WHERE start_key", key) for key in play.given_up)
    ledger = found.query("SELECT COUNT(*) FROM chat_modelcall")[0][0]
    calls = _upstream_calls(found)
    pages, changes = play.pages.while_away(play.monkey), play.changes.while_away(play.monkey)
    asked = Probes([one for tab in play.tabs for one in tab.asked])
    slowest = [one.slowest(play.monkey) for one in (asked, play.pages, play.changes)]
    wrong.update(ledger_differences(found.site))
    if unexpected := play.pages.unexpected + play.changes.unexpected:
        wrong["pages that were neither served nor told to come back"] += unexpected
    if name == "postgresql" and any(status != 503 for status in pages):
        wrong["pages served while there was no database"] += 1
    ways = Counter(way for way, *_ in play.monkey.away)
    section.add(
        row(
            name,
            ", ".join(f"{way} {count}" for way, count in ways.items()),
            len(play.made),
            sum(wrong.values()),
            lost + open_runs,
            f"{refused}, {len(play.given_up)} for good",
            f"{slowest[0]:.2f}",
            left,
            f"{pages.count(503)} / {len(pages)}",
            f"{slowest[1]:.2f}",
            f"{changes.count(503)} / {len(changes)}",
            f"{slowest[2]:.2f}",
            sum(tab.lost for tab in play.tabs),
            f"{ledger} / {calls}",
            f"≤ {within_seconds:g}",
        ),
        failed=+wrong or lost or open_runs or left or ledger != calls or max(slowest) > within_seconds,
    )
    if +wrong:
        section.note(f"{name}, wrong: {dict(+wrong)}")


def _judge_run(found: Ground, made: Made, wrong: Counter[str]) -> bool:
    """True: it is lost."""
    (status, epoch), (stored,) = (
        found.query("SELECT status, epoch FROM chat_run WHERE id = ?", found.key(made.run))[0],
        found.query("SELECT parts FROM chat_message WHERE id = ?", found.key(made.message))[0],
    )
    parts = json.loads(stored) if isinstance(stored, str) else stored
    text = "".join(part.get("text", "") for part in parts)
    screen = made.screen
    wrong["another text on the screen than in the database"] += screen.text != text
    wrong["told as another end than it was stored"] += bool(screen.end) and screen.end["status"] != status
    wrong["told twice"] += bool(screen.doubled)
    wrong["made by more than one"] += epoch != 1
    expected = ("stopped", "completed") if made.stopped else ("completed",)
    wrong[f"ended as {status}"] += status not in expected
    wrong["not the text that was said"] += not WHOLE.startswith(text) or (
        status == "completed" and text != WHOLE
    )
    return not screen.end


def _count(found: Ground, where: str, key: str) -> int:
    return int(found.query(f"SELECT COUNT(*) FROM {where} = ?", found.key(key))[0][0])  # noqa: S608


def _upstream_calls(found: Ground) -> int:
    answer = httpx.get(found.upstream.base_url.removesuffix("/v1") + "/stats", trust_env=False)
    return int(answer.json()["total"])
