"""A sign-in that is taken back: its sockets close, nothing more is told, the answers are made all the same (P12)."""

import asyncio
import random
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import httpx
import websockets

from bench.report import row
from tests.chaos.ground import SERVERS, Ground, begin, ground, percentile
from tests.chaos.report import Section, say
from tests.live import PASSWORD, Person, Socket, text_of, words

CLOSED_WITHIN_SECONDS = 2.0
SIGNED_OUT = 4401
DELTAS = 400
MODEL = f"demo-n{DELTAS}-r50-d0"
CREDIT = "32"
"""So few that a tab which acknowledges nothing has events waiting for it soon."""
TABS = 5
"""Of one person. The last one acknowledges nothing."""
OTHER_PASSWORD = "another horse battery"
HEADS = (
    "server",
    "taken back by",
    "sockets",
    "closed with 4401 after, ms: p50",
    "max",
    "last event after, ms: max",
    "queued and dropped",
    "others closed",
    "answers whole",
    "goal, ms",
)


# --- the four ways: each returns when it is done --------------------------------------------------------


def sign_out(_: Ground, person: Person) -> None:
    _post(person, "/accounts/logout/")


def change_password(_: Ground, person: Person) -> None:
    new = {"new_password1": OTHER_PASSWORD, "new_password2": OTHER_PASSWORD}
    _post(person, "/accounts/password/", old_password=PASSWORD, **new)


def deactivate(ground: Ground, person: Person) -> None:
    ground.query("UPDATE chat_user SET is_active = false WHERE username = ?", person.name)


def delete_session(ground: Ground, person: Person) -> None:
    ground.query("DELETE FROM django_session WHERE session_key = ?", person.http.cookies["sessionid"])


WAYS: dict[str, Callable[[Ground, Person], None]] = {
    "signing out": sign_out,
    "a new password": change_password,
    "deactivation": deactivate,
    "deleting the session": delete_session,
}
ONE_SESSION = ("signing out", "deleting the session")
"""Other sessions of the same person stay signed in."""


def _post(person: Person, path: str, **form: str) -> None:
    headers = {"Referer": person.site.url, "X-CSRFToken": person.http.cookies["csrftoken"]}
    answer = person.http.post(path, data=form, headers=headers)
    assert answer.status_code in (200, 302), answer.text
    assert not form or answer.status_code == 302, answer.text


# --- one tab ----------------------------------------------------------------------------------------------


@dataclass
class Tab:
    socket: Socket
    run: str
    acks: bool
    frames: list[dict[str, Any]] = field(default_factory=list)
    last_event_at: float = 0.0
    closed_at: float = 0.0
    code: int = 0

    async def read(self) -> None:
        """Until it is closed."""
        try:
            while True:
                frame = await self.socket.next(timeout=60)
                if frame["type"] == "event" and frame["run"] == self.run:
                    self.last_event_at = time.monotonic()
                    self.frames.append(frame)
                    if self.acks:
                        await self.socket.ack(frame)
        except websockets.ConnectionClosed:
            self.closed_at = time.monotonic()
            self.code = self.socket.line.close_code or 0


@dataclass
class Outcome:
    closed_seconds: list[float] = field(default_factory=list)
    told_seconds: list[float] = field(default_factory=list)
    wrong_codes: int = 0
    dropped: int = 0
    others_closed: int = 0
    whole: int = 0
    people: int = 0

    def failed(self, within_seconds: float) -> bool:
        late = max([*self.closed_seconds, *self.told_seconds]) > within_seconds
        wrong = self.wrong_codes or self.others_closed or self.dropped < self.people
        return bool(late or wrong or self.whole != self.people * TABS)


# --- the section -------------------------------------------------------------------------------------------


async def measure(
    people: int = 4, servers: Sequence[str] = SERVERS, within_seconds: float = CLOSED_WITHIN_SECONDS
) -> Section:
    section = Section("P12: a sign-in that is taken back", HEADS)
    many = people * len(WAYS)
    for server in servers:
        with ground(server, people=many, models=[MODEL], settings={"CREDIT_EVENTS": CREDIT}) as found:
            outcomes = {name: Outcome() for name in WAYS}
            # All at once: what is taken back here must leave those alone from whom nothing was taken yet.
            await asyncio.gather(
                *(
                    _one(found, found.people[number], name, WAYS[name], outcomes[name])
                    for number, name in enumerate(list(WAYS) * people)
                )
            )
            for name, outcome in outcomes.items():
                section.add(_shown(server, name, outcome), failed=outcome.failed(within_seconds))
    section.note(
        f"Each person has {TABS} tabs on one run of 50 words a second; the fifth acknowledges nothing, so that events "
        "wait for it. Times are from when the deed was done. Others: a tab of the same person's second session. Whole: "
        "after signing in again each tab goes on from its last cursor, and has every word once."
    )
    return section


def _shown(server: str, name: str, one: Outcome) -> str:
    return row(
        server,
        name,
        len(one.closed_seconds),
        f"{percentile(one.closed_seconds, 0.5) * 1000:.0f}",
        f"{max(one.closed_seconds) * 1000:.0f}",
        f"{max(one.told_seconds) * 1000:.0f}",
        f"{one.dropped} of {one.people} tabs",
        one.others_closed,
        f"{one.whole} of {one.people * TABS}",
        f"≤ {CLOSED_WITHIN_SECONDS * 1000:.0f}",
    )


async def _one(
    found: Ground, person: Person, name: str, take_back: Callable[[Ground, Person], None], outcome: Outcome
) -> None:
    outcome.people += 1
    async with AsyncExitStack() as sockets:
        opened = [await sockets.enter_async_context(person.socket()) for _ in range(TABS)]
        bystander = None
        if name in ONE_SESSION:
            elsewhere = await asyncio.to_thread(found.site.sign_in, person.name)
            bystander = await sockets.enter_async_context(elsewhere.socket())
        started = await begin(opened[0], f"demo/{MODEL}", str(uuid.uuid4()))
        tabs = [Tab(one, started["run"], acks=one is not opened[-1]) for one in opened]
        for tab in tabs[1:]:
            await tab.socket.ask("run.follow", run=tab.run)
        for tab in tabs:
            tab.frames += [frame for frame in tab.socket.seen if frame["type"] == "event"]
            for frame in tab.frames if tab.acks else ():
                await tab.socket.ack(frame)
        reading = [asyncio.create_task(tab.read()) for tab in tabs]
        # Anywhere between two looks of the server.
        await asyncio.sleep(random.uniform(2, 3))  # noqa: S311
        await asyncio.to_thread(take_back, found, person)
        done_at = time.monotonic()
        await asyncio.wait_for(asyncio.gather(*reading), 30)
        for tab in tabs:
            outcome.closed_seconds.append(tab.closed_at - done_at)
            outcome.told_seconds.append(max(0.0, tab.last_event_at - done_at))
            outcome.wrong_codes += tab.code != SIGNED_OUT
        # All that it was told is what it owes; the rest was never sent.
        outcome.dropped += len(tabs[-1].frames) == int(CREDIT)
        if bystander is not None:
            lives = await _lives(bystander)
            outcome.others_closed += not lives
    again = await asyncio.to_thread(_sign_in_again, found, person, name)
    for tab in tabs:
        whole = await _goes_on(again, tab)
        outcome.whole += whole


async def _lives(tab: Socket) -> bool:
    try:
        await tab.send("ping")
        while (await tab.next(timeout=5))["type"] != "pong":
            pass
    except (websockets.ConnectionClosed, TimeoutError):
        return False
    return True


def _sign_in_again(found: Ground, person: Person, name: str) -> Person:
    if name == "deactivation":
        found.query("UPDATE chat_user SET is_active = true WHERE username = ?", person.name)
    password = OTHER_PASSWORD if name == "a new password" else PASSWORD
    client = httpx.Client(base_url=found.site.url, timeout=30)
    client.get("/accounts/login/")
    form = {"username": person.name, "password": password, "csrfmiddlewaretoken": client.cookies["csrftoken"]}
    answer = client.post("/accounts/login/", data=form, headers={"Referer": found.site.url})
    assert answer.status_code == 302, answer.text
    return Person(found.site, person.name, client)


async def _goes_on(again: Person, tab: Tab) -> bool:
    """The words of before and of now are all of them."""
    try:
        async with again.socket() as socket:
            await socket.ask("run.follow", run=tab.run, after=tab.frames[-1]["cursor"])
            later = await socket.events(tab.run)
    except (TimeoutError, websockets.ConnectionClosed) as error:
        say(f"{tab.run} after {tab.frames[-1]['cursor']}: {error!r}")
        return False
    return text_of(tab.frames + later) == words(DELTAS) and later[-1]["event"]["status"] == "completed"
