"""A browser's tab: comes back by itself, asks again what was refused for a while, knows what is on its screen."""

import asyncio
import time
from collections import Counter
from typing import Any

import websockets

from tests.live import Person, Socket, connect

REOPEN_SECONDS = 0.3
PATIENCE_SECONDS = 60.0
ACK_EACH = 20
LONGEST_WAIT_SECONDS = 2.0


class Screen:
    """What stands there of one run: deltas added, snapshots in the place of all before."""

    def __init__(self, run: str) -> None:
        self.run = run
        self.text = ""
        self.cursor: str | None = None
        self.end: dict[str, Any] = {}
        self.doubled = 0
        self._last = (0, 0)

    def show(self, frame: dict[str, Any]) -> None:
        event, self.cursor = frame["event"], frame["cursor"]
        epoch, _, number = frame["cursor"].partition("-")
        place = (int(epoch), int(number))
        self.doubled += place <= self._last and event["type"] != "run.snapshot"
        self._last = place
        match event["type"]:
            case "text.delta":
                self.text += event["text"]
            case "step.reset":
                self.text = ""
            case "run.snapshot":
                parts = [part for step in event["state"]["steps"] for part in step["parts"]]
                self.text = "".join(part["text"] for part in parts if part["type"] == "text")
            case "run.finished":
                self.end = event


class Tab:
    """Used by one task. `asked` has what was asked, when, and whether it was refused for a while; `wrong` what must
    not happen."""

    def __init__(self, person: Person) -> None:
        self.person = person
        self.asked: list[tuple[float, float, int, bool]] = []
        """Began at, ended at, a status as HTTP has it, and whether it was said when to come back."""
        self.lost = 0
        self.wrong: Counter[str] = Counter()
        self._socket: Socket | None = None

    async def close(self) -> None:
        if self._socket is not None:
            await self._socket.line.close()

    async def ask_once(self, type_: str, **fields: Any) -> dict[str, Any]:
        """The reply, accepted or refused. A socket that is lost meanwhile is opened again, and asked again."""
        while True:
            socket = self._socket or await self._open()
            began = time.monotonic()
            try:
                reply = await socket.ask(type_, **fields)
            except (websockets.ConnectionClosed, TimeoutError):
                self._drop()
                continue
            self.asked.append((began, time.monotonic(), 200 if reply["ok"] else 503, True))
            if not reply["ok"]:
                self._note(reply["error"])
            return reply

    async def ask(self, type_: str, **fields: Any) -> dict[str, Any]:
        """As often as it is refused for a while. The reply that is not."""
        while True:
            reply = await self.ask_once(type_, **fields)
            if reply["ok"] or not reply["error"]["retryable"]:
                return reply
            await asyncio.sleep(min(reply["error"].get("retry_after_seconds") or 1, LONGEST_WAIT_SECONDS))

    async def watch(self, screen: Screen, *, seconds: float = float("inf")) -> None:
        """To the run's end, or for so long."""
        until = time.monotonic() + min(seconds, PATIENCE_SECONDS)
        unacknowledged = 0
        while not screen.end:
            socket = self._socket or await self._back(screen)
            for frame in [one for one in socket.seen if one["type"] == "event" and one["run"] == screen.run]:
                screen.show(frame)
                unacknowledged += 1
            socket.seen.clear()
            try:
                # The last ones too: a debt outlives its run, and the next one's events would wait for it.
                if unacknowledged >= ACK_EACH or (screen.end and unacknowledged):
                    unacknowledged = 0
                    await socket.send("ack", run=screen.run, cursor=screen.cursor)
                if screen.end or (left := until - time.monotonic()) <= 0:
                    break
                await socket.next(timeout=left)
            except TimeoutError:
                break
            except websockets.ConnectionClosed:
                self._drop()
        if not screen.end and seconds > PATIENCE_SECONDS:
            self.wrong["no end"] += 1

    async def _open(self) -> Socket:
        while True:
            try:
                line = await connect(self.person.site, cookie=self.person.cookie)
                socket = Socket(line)
                if (await socket.next())["type"] == "ready":
                    self._socket = socket
                    return socket
            except (OSError, websockets.WebSocketException, TimeoutError):
                pass
            await asyncio.sleep(REOPEN_SECONDS)

    async def _back(self, screen: Screen) -> Socket:
        socket = await self._open()
        reply = await self.ask("run.follow", run=screen.run, after=screen.cursor)
        if not reply["ok"]:
            self.wrong[f"not followed again: {reply['error']['code']}"] += 1
        return self._socket or socket

    def _drop(self) -> None:
        self._socket = None
        self.lost += 1

    @property
    def refused(self) -> int:
        return sum(status == 503 for *_, status, _ in self.asked)

    def _note(self, error: dict[str, Any]) -> None:
        if error["code"] != "storage_unavailable":
            self.wrong[f"refused: {error['code']}"] += 1
        elif not error.get("retry_after_seconds"):
            self.wrong["no retry_after"] += 1
