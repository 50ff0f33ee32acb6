"""A tab as the page's script is one: one socket for all its runs, which comes back by itself and resumes each run."""

import asyncio
import itertools
import random
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import msgspec
import websockets
from websockets.asyncio.client import ClientConnection

from tests.chaos.fleet.screen import Screen

ACK_EVENTS = 64
ACK_IDLE_SECONDS = 1.0
TICK_SECONDS = 0.25
BACKOFF_FIRST_SECONDS = 0.5
BACKOFF_MOST_SECONDS = 30.0
HEARTBEATS = 2.5
AGAIN_SECONDS = 0.3
BROKEN = (OSError, EOFError, TimeoutError, websockets.WebSocketException)
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.decode


@dataclass
class Loss:
    """A line that was open and is not any more. `said`: `closing` came before."""

    at: float
    door: int
    code: int
    said: bool
    back_at: float | None = None

    @property
    def seconds(self) -> float:
        return float("inf") if self.back_at is None else self.back_at - self.at


@dataclass
class _Asked:
    frame: dict[str, Any]
    answer: "asyncio.Future[dict[str, Any]]"


@dataclass
class Viewer:
    """`doors` are ports, asked in turn; what is not listening is passed over, as a proxy does.

    `hurry`: it comes back within a tenth of a second, and gives up a silent line after `patience_seconds`.
    """

    cookie: str
    doors: Sequence[int]
    patience_seconds: float | None = None
    hurry: bool = False
    screens: dict[str, Screen] = field(default_factory=dict)
    losses: list[Loss] = field(default_factory=list)
    delayed: list[tuple[float, bool]] = field(default_factory=list)
    """When it was told that live updates are delayed, and that they are not any more."""
    started: set[str] = field(default_factory=set)
    """Runs that were started here, by the process behind the door of that moment."""
    refused: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    door: int = 0
    attempts: int = 0

    def __post_init__(self) -> None:
        self._turn = 0
        self._refs = itertools.count(1)
        self._asked: dict[int, _Asked] = {}
        self._line: ClientConnection | None = None
        self._ready = asyncio.Event()
        self._after_ms: int | None = None
        self._unacked: dict[str, str] = {}
        self._unacked_events = 0
        self._unacked_at = self._heard_at = time.monotonic()
        self._heartbeat_seconds = 20.0
        self._news = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._tasks = [asyncio.create_task(self._live()), asyncio.create_task(self._tick_for_ever())]
        await self._ready.wait()
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # --- what a person does -----------------------------------------------------------------------------

    async def start(self, model: str, text: str = "hello") -> Screen:
        """Asks until it is answered, under one key: however often it arrives, it is one run."""
        frame = {
            "type": "run.start",
            "key": str(uuid.uuid4()),
            "models": [model],
            "content": [{"type": "text", "text": text}],
        }
        while True:
            reply = await self._ask(frame)
            if reply["ok"]:
                self.started.add(reply["run"])
                return self.screens[reply["run"]]
            self.refused.append(reply["error"]["code"])
            if not reply["error"]["retryable"]:
                raise AssertionError(f"run.start was refused: {reply['error']}")
            await asyncio.sleep(AGAIN_SECONDS)

    async def try_to_start(self, model: str, text: str = "hello") -> dict[str, Any]:
        """Asks once; the reply, whatever it says."""
        content = [{"type": "text", "text": text}]
        return await self._ask(
            {"type": "run.start", "key": str(uuid.uuid4()), "models": [model], "content": content}
        )

    def follow(self, run: str) -> Screen:
        if run not in self.screens:
            self.screens[run] = Screen(run)
            if self._ready.is_set():
                self._send_follow(self.screens[run])
        return self.screens[run]

    async def ended(self, *screens: Screen) -> None:
        while not all(screen.ended for screen in screens):
            self._news.clear()
            await self._news.wait()

    # --- the line ---------------------------------------------------------------------------------------

    async def _live(self) -> None:
        while True:
            for _ in self.doors:
                door = self.doors[self._turn % len(self.doors)]
                self._turn += 1
                if await self._visit(door):
                    break
            await asyncio.sleep(self._wait_seconds())
            self.attempts += 1

    async def _visit(self, door: int) -> bool:
        """False: nobody listens there."""
        try:
            async with websockets.connect(
                f"ws://127.0.0.1:{door}/ws/chat/",
                additional_headers={"Cookie": self.cookie},
                origin=f"http://127.0.0.1:{door}",  # type: ignore[arg-type]
                max_size=None,
                close_timeout=1,
                ping_interval=None,
                open_timeout=self.patience_seconds or 5,
                compression=None,
                proxy=None,
            ) as line:
                self._line, self.door, self._heard_at = line, door, time.monotonic()
                async for text in line:
                    self._receive(_decode(text))
        except ConnectionRefusedError:
            return False
        except BROKEN:
            pass
        finally:
            self._lost(door)
        return True

    def _lost(self, door: int) -> None:
        line, self._line = self._line, None
        if self._ready.is_set():
            code = line.close_code if line is not None and line.close_code is not None else 1006
            self.losses.append(Loss(time.monotonic(), door, code, self._after_ms is not None))
        self._ready.clear()
        self._unacked.clear()
        self._unacked_events = 0

    def _wait_seconds(self) -> float:
        if self.hurry:
            return random.uniform(0, 0.1)  # noqa: S311
        most = min(BACKOFF_MOST_SECONDS, BACKOFF_FIRST_SECONDS * 2**self.attempts)
        wait = random.uniform(0, most)  # noqa: S311
        if self._after_ms is not None:
            wait += self._after_ms / 1000
        self._after_ms = None
        return wait

    def _opened(self, frame: dict[str, Any]) -> None:
        self.attempts, self._after_ms = 0, None
        self._heartbeat_seconds = frame["heartbeat_seconds"]
        if self.losses and self.losses[-1].back_at is None:
            self.losses[-1].back_at = time.monotonic()
        self._ready.set()
        for screen in self.screens.values():
            if not screen.ended:
                self._send_follow(screen)
        for ref, asked in self._asked.items():
            self._say({**asked.frame, "ref": ref})

    def _send_follow(self, screen: Screen) -> None:
        after = str(screen.last) if screen.last is not None else None
        self._say({"type": "run.follow", "ref": f"follow {screen.run}", "run": screen.run, "after": after})

    def _say(self, frame: dict[str, Any]) -> None:
        if self._line is not None:
            task = asyncio.ensure_future(self._line.send(_encode(frame).decode()))
            task.add_done_callback(lambda done: done.cancelled() or done.exception())

    async def _ask(self, frame: dict[str, Any]) -> dict[str, Any]:
        ref = next(self._refs)
        asked = self._asked[ref] = _Asked(frame, asyncio.get_running_loop().create_future())
        if self._ready.is_set():
            self._say({**frame, "ref": ref})
        return await asked.answer

    # --- what it hears ----------------------------------------------------------------------------------

    def _receive(self, frame: dict[str, Any]) -> None:
        self._heard_at = time.monotonic()
        match frame["type"]:
            case "event":
                self._show(frame)
            case "reply":
                self._settle(frame)
            case "ready":
                self._opened(frame)
            case "closing":
                self._after_ms = frame["reconnect_after_ms"]
            case "notice" if frame["name"] == "live.delayed":
                self.delayed.append((self._heard_at, frame["delayed"]))

    def _show(self, frame: dict[str, Any]) -> None:
        run = frame["run"]
        if run not in self.screens:
            self.wrong.append(f"an event of {run}, which is not followed")
            return
        if not self._unacked:
            self._unacked_at = self._heard_at
        self._unacked[run] = frame["cursor"]
        self._unacked_events += 1
        self.screens[run].show(frame, self._heard_at)
        ended = frame["event"]["type"] == "run.finished"
        if ended or self._unacked_events >= ACK_EVENTS:
            self._acknowledge()
        if ended:
            self._news.set()

    def _settle(self, frame: dict[str, Any]) -> None:
        ref = frame["ref"]
        if isinstance(ref, str):
            if not frame["ok"]:
                self.wrong.append(f"{ref}: {frame['error']['code']}")
            return
        asked = self._asked.pop(ref, None)
        if asked is None:
            return  # of an earlier line, answered since
        for run in frame.get("runs", ()):
            self.screens.setdefault(run["run"], Screen(run["run"]))
        asked.answer.set_result(frame)

    def _acknowledge(self) -> None:
        for run, cursor in self._unacked.items():
            self._say({"type": "ack", "run": run, "cursor": cursor})
        self._unacked.clear()
        self._unacked_events = 0

    async def _tick_for_ever(self) -> None:
        pinged_at = time.monotonic()
        while True:
            await asyncio.sleep(TICK_SECONDS)
            now = time.monotonic()
            if self._unacked and now - self._unacked_at >= ACK_IDLE_SECONDS:
                self._acknowledge()
            if self._line is None:
                continue
            if now - self._heard_at > (self.patience_seconds or self._heartbeat_seconds * HEARTBEATS):
                self._line.transport.abort()
            elif now - pinged_at > min(self._heartbeat_seconds, self.patience_seconds or 60.0) / 2:
                pinged_at = now
                self._say({"type": "ping"})
