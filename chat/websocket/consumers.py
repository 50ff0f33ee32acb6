"""The chat's WebSocket: accepts commands and forwards events. It never works and never waits for the model.

One task reads (the consumer itself), one writes; commands that ask the database run beside both, so that
"stop" is heard while something else is slow.
"""

import asyncio
import secrets
import time
from collections import deque
from functools import partial
from typing import Any
from uuid import UUID

import msgspec
import structlog
from channels.generic.websocket import AsyncWebsocketConsumer
from django.utils import timezone

from chat import wiring
from chat.actions.invocations import decide
from chat.actions.runs import StartRequest, start_runs, stop_run
from chat.actions.tokens import require
from chat.events.codec import Cursor
from chat.exceptions import BadFrame, ChatError, Internal, NotFound, RateLimited, StorageUnavailable
from chat.models import ApiToken, User
from chat.models.tokens import TokenScope
from chat.telemetry import lines
from chat.websocket import commands, frames
from chat.websocket.auth import Credential, caller_of, still_good
from chat.websocket.limits import Bucket, Credit
from chat.websocket.registry import SocketRegistry
from chat.websocket.subscription import Subscriptions

logger = structlog.get_logger(__name__)

VANISHED = 1006
"""No code was given: the connection is gone, or was cut by the server (RFC 6455, 7.4.1)."""
UNEXPECTED = 1011
SIGNED_OUT = 4401
SILENT = 4408
NO_ACK = 4409
TOO_LARGE = 4413
NOT_THIS_PROTOCOL = 4422
TOO_MUCH = 4429
UNAVAILABLE = 4503
COMMANDS_AT_ONCE = 8
OUTBOX_FRAMES = 64
STRIKES = 3

sockets = SocketRegistry()


class ChatConsumer(AsyncWebsocketConsumer):
    # News come through the process's one channel (engine/broadcast), not through one a socket.
    channel_layer_alias = None

    user: User
    user_id: UUID
    credential: Credential
    token: ApiToken | None
    """None where it is signed in by a session."""

    # --- life -----------------------------------------------------------------------------------------

    async def __call__(self, *arguments: Any) -> None:
        self._closed_with: int | None = None
        try:
            await super().__call__(*arguments)
        finally:
            # Also where the server cancels us and `disconnect` is never called.
            self._leave()
            sockets.closed[self._closed_with or VANISHED] += 1
            logger.debug("socket closed", code=self._closed_with or VANISHED)

    async def connect(self) -> None:
        lines.about(socket=secrets.token_hex(4))
        self._writer: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._admitted = False
        # First of all: a browser is told no reason of a handshake that was refused.
        await self.accept()
        try:
            await self._admit()
        except StorageUnavailable as error:
            logger.warning("nobody knows whose socket it is", reason=error.detail)
            await self.close(UNAVAILABLE)

    async def _admit(self) -> None:
        """
        Raises:
            StorageUnavailable: whose socket it is cannot be looked up now.
        """
        self._runtime = await wiring.startup()
        limits = self._limits = self._runtime.socket_limits
        caller = await self._runtime.database(caller_of, self.scope)
        if caller is None:
            await self.close(SIGNED_OUT)
            return
        self.user, self.credential, self.token = caller
        self.user_id = self.user.pk
        lines.about(user=str(self.user_id))
        if self._runtime.supervisor.draining:
            await self.close(UNAVAILABLE)
            return
        database = self._runtime.database
        if not sockets.admit(
            self, most=limits.sockets_per_user, check=lambda asked: database(still_good, asked)
        ):
            await self.close(TOO_MUCH)
            return
        self._admitted = True
        self._runtime.farewells.add(sockets.say_closing)
        self._begin()
        self._say(frames.ready(str(self.user_id), limits))

    def _begin(self) -> None:
        limits = self._limits
        clock = time.monotonic
        self._clock = clock
        self._heard_at = clock()
        self._strikes = 0
        self._frames = Bucket(limits.frames_per_minute, clock)
        self._commands = Bucket(limits.commands_per_minute, clock)
        self._credit = Credit(limits.credit_events, limits.credit_bytes, clock)
        self._wake = asyncio.Event()
        self._outbox: deque[str] = deque()
        self._room = asyncio.Semaphore(COMMANDS_AT_ONCE)
        self._subscriptions = Subscriptions(
            self.user,
            log=self._runtime.log,
            database=self._runtime.database,
            wake=self._wake.set,
            look=self._look_again,
        )
        self._told_delayed = False
        self._unwatch = self._runtime.log.watch(self._log_changed)
        self._unsubscribe = self._runtime.broadcast.subscribe(self.user_id, self._hear)
        self._closing_with: int | None = None
        self._writer = asyncio.create_task(self._write(), name="socket writer")

    async def close(self, code: Any = None, reason: str | None = None) -> None:
        self._closed_with = self._closed_with or code
        await super().close(code, reason)

    async def disconnect(self, code: int) -> None:
        self._closed_with = self._closed_with or code
        self._leave()

    def _leave(self) -> None:
        if not self.__dict__.get("_admitted"):
            return
        self._admitted = False
        sockets.dismiss(self)
        self._unwatch()
        self._unsubscribe()
        self._subscriptions.close()
        if self._writer is not None:
            self._writer.cancel()

    @property
    def lag(self) -> tuple[int, float]:
        return self._subscriptions.backlog, self._credit.blocked_seconds

    def tick(self) -> None:
        """Once a second, by the registry."""
        if self._closing_with is not None:
            # The writer had a second for its last words.
            self._cut_off()
        elif self._clock() - self._heard_at > self._limits.silence_seconds:
            self._end(SILENT)
        elif self._credit.overdue(self._limits.ack_seconds):
            self._end(NO_ACK)
        else:
            self._log_changed()
            if self._subscriptions.look_again_soon:
                self._look_again()

    def _look_again(self) -> None:
        self._spawn(self._subscriptions.look_again())

    def _log_changed(self) -> None:
        """The log is away or back, or a second has passed."""
        self._subscriptions.join_again()
        if self._subscriptions.delayed != self._told_delayed:
            self._told_delayed = not self._told_delayed
            self._say(frames.notice({"name": "live.delayed", "delayed": self._told_delayed}))

    def revoke(self) -> None:
        """Nothing more is told, not even what was queued."""
        self._outbox.clear()
        self._end(SIGNED_OUT)

    async def say_closing(self, reason: str) -> None:
        self._outbox.append(frames.closing(reason, reconnect_after_ms=500))
        self._end(UNAVAILABLE)
        if self._writer is not None:
            await asyncio.wait([self._writer], timeout=0.5)

    def _end(self, code: int) -> None:
        """Closes once the writer has said what is in the outbox; what was not sent is read again later."""
        if self._closing_with is None:
            self._closing_with = code
            self._wake.set()

    def _is_ending(self) -> bool:
        return self._closing_with is not None

    def _cut_off(self) -> None:
        if self._writer is not None and not self._writer.done():
            self._writer.cancel()
            self._spawn(self.close(self._closing_with))

    # --- reading --------------------------------------------------------------------------------------

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        if not self._admitted or self._closing_with is not None:
            return
        self._heard_at = self._clock()
        if not self._frames.take():
            self._end(TOO_MUCH)
            return
        if text_data is None:
            self._end(NOT_THIS_PROTOCOL)
            return
        if _size(text_data, self._limits.frame_bytes) > self._limits.frame_bytes:
            self._end(TOO_LARGE)
            return
        try:
            command = commands.decode(text_data)
        except BadFrame as error:
            self._strike(commands.ref_of(text_data), error)
            return
        await self._obey(command)

    def _strike(self, ref: str | int | None, error: BadFrame) -> None:
        self._strikes += 1
        self._say(frames.refusal(ref, error))
        if self._strikes >= STRIKES:
            self._end(NOT_THIS_PROTOCOL)

    async def _obey(self, command: commands.Command) -> None:
        match command:
            case commands.Ack():
                self._acknowledge(command)
            case commands.Ping():
                self._say(frames.PONG)
            case commands.RunUnfollow():
                self._subscriptions.unfollow(str(command.run))
                self._credit.forget(str(command.run))
                self._say(frames.reply(command.ref, {}))
            case _:
                if not self._commands.take():
                    self._say(frames.refusal(command.ref, RateLimited(retry_after_seconds=1)))
                    self._end(TOO_MUCH)
                    return
                # Reading pauses while eight commands are under way; the server's own queue is bounded.
                await self._room.acquire()
                self._spawn(self._carry_out(command))

    def _acknowledge(self, command: commands.Ack) -> None:
        try:
            cursor = Cursor.parse(command.cursor)
        except ChatError as error:
            self._say(frames.refusal(command.ref, error))
            return
        if self._credit.acknowledge(str(command.run), cursor):
            self._wake.set()

    async def _carry_out(self, command: commands.Command) -> None:
        try:
            result = await self._result(command)
        except ChatError as error:
            self._say(frames.refusal(command.ref, error))
        except Exception:
            logger.exception("command failed", command=type(command).__name__)
            self._say(frames.refusal(command.ref, Internal()))
        else:
            self._say(frames.reply(command.ref, result))
            if isinstance(command, commands.RunStart):
                for run in result["runs"]:
                    self._subscriptions.follow_started(run["run"])
        finally:
            self._room.release()

    async def _result(self, command: commands.Command) -> dict[str, Any]:
        runtime = self._runtime
        require(self.token, command.scope)
        match command:
            case commands.RunStart():
                runtime.supervisor.check_open()
                request = StartRequest(
                    key=command.key,
                    models=tuple(command.models),
                    conversation=command.conversation,
                    parent=command.parent,
                    content=command.content,
                    options=msgspec.to_builtins(command.options),
                )
                started = await runtime.database(start_runs, self.user, request, runtime, self.token)
                return {**msgspec.to_builtins(started), "run": started.run}
            case commands.RunStop():
                return await self._stop(command.run)
            case commands.RunFollow():
                after = Cursor.parse(command.after) if command.after is not None else None
                self._credit.forget(str(command.run))
                await self._subscriptions.follow(command.run, after)
                return {}
            case commands.InvocationDecide():
                return await self._decide(command)
            case _:
                raise NotFound

    async def _stop(self, run: UUID) -> dict[str, Any]:
        """At once where the run is made here; the row's flag is for everybody else, and for a process that dies now."""
        runtime, asked_at = self._runtime, timezone.now()
        stopped = runtime.supervisor.stop(str(run), asked_at, user=self.user_id)
        try:
            await runtime.database(stop_run, self.user, run, runtime, asked_at)
        except StorageUnavailable:
            if not stopped:
                raise
        return {}

    async def _decide(self, command: commands.InvocationDecide) -> dict[str, Any]:
        decided = partial(
            decide,
            self.user,
            command.invocation,
            command.decision,
            self._runtime,
            arguments=command.arguments,
            reason=command.reason,
        )
        invocation = await self._runtime.database(decided)
        return {"invocation": str(invocation.pk), "status": invocation.status}

    # --- writing --------------------------------------------------------------------------------------

    def _say(self, frame: str) -> None:
        """Queues a frame of our own; a client that does not read them loses its socket, not our memory."""
        if len(self._outbox) >= OUTBOX_FRAMES:
            self._end(NO_ACK)
            return
        self._outbox.append(frame)
        self._wake.set()

    def _hear(self, notice: dict[str, Any]) -> None:
        """News for every tab of this user."""
        if self.token is None or TokenScope.RUNS_READ in self.token.scopes:
            self._say(frames.notice(notice))

    async def _write(self) -> None:
        try:
            await self._write_until_closing()
        except asyncio.CancelledError:
            raise
        except Exception:
            logger.exception("socket writer failed")
            self._closing_with = UNEXPECTED
        await self.close(self._closing_with)

    async def _write_until_closing(self) -> None:
        send, credit, subscriptions = self.base_send, self._credit, self._subscriptions
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._outbox:
                await send({"type": "websocket.send", "text": self._outbox.popleft()})
            if self._is_ending():
                return
            # One more than fits is taken, to know whether somebody waits for credit.
            most = credit.room + 1
            entries = subscriptions.take(most)
            for number, (run, made) in enumerate(entries):
                if self._is_ending():
                    break  # since the last one: a slow reader leaves time for that
                if not credit.fits(made.size):
                    subscriptions.give_back(entries[number:])
                    credit.blocked()
                    break
                credit.spend(run, made.cursor, made.size)
                await send({"type": "websocket.send", "text": made.frame})
            else:
                if len(entries) == most:
                    # `take` had no room for more.
                    self._wake.set()

    def _spawn(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _size(text: str, limit: int) -> int:
    """In bytes; only a text that may be over the limit is encoded to know."""
    return len(text) if len(text) * 4 <= limit else len(text.encode("utf-8", "surrogatepass"))
