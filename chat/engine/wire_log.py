"""Keeps the wire of some attempts: of all that failed, and of a sample of the others. No answer waits for it."""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import structlog
from django.db import IntegrityError, transaction
from msgspec import Struct

from chat.engine.database import DatabaseThreads
from chat.engine.patience import unhurried
from chat.engine.plan import RunPlan
from chat.exceptions import StorageUnavailable
from chat.llm import redaction
from chat.llm.tape import Tape
from chat.models import Run, WireRecord
from chat.models.wire import packed

logger = structlog.get_logger(__name__)

MOST_WAITING: Final = 500
MOST_WAITING_BYTES: Final = 32_000_000
FIRST_WAIT_SECONDS: Final = 0.5
LONGEST_WAIT_SECONDS: Final = 30.0
DRAIN_SECONDS: Final = 0.5
_NOT_FAILED: Final = ("completed", "stopped")


class WireLogRules(Struct, frozen=True):
    """What is kept. `most_bytes` is each body's bound, `sample` the share of what did not fail."""

    kept: bool = True
    sample: float = 0.01
    most_bytes: int = 2_000_000


class Origin(Struct, frozen=True):
    """Whose attempt it was, and of whom. Not the plan: what waits must not hold on to a conversation's images."""

    user: UUID
    conversation: UUID
    run: UUID
    provider: str
    model: str
    dialect: str
    api_key: str

    @classmethod
    def of(cls, plan: RunPlan) -> "Origin":
        return cls(
            user=plan.user,
            conversation=plan.conversation,
            run=UUID(plan.run),
            provider=plan.provider,
            model=plan.request.model,
            dialect=plan.dialect,
            api_key=plan.api_key,
        )


class Entry(Struct, frozen=True):
    """One attempt on its way to the database. Secrets are still in it."""

    origin: Origin
    tape: Tape
    kept_because: str
    ended_at: datetime
    most_bytes: int


class WireLog:
    """A queue and one writer. Belongs to the event loop it was started on; what is too much is dropped."""

    def __init__(
        self,
        database: DatabaseThreads,
        rules: WireLogRules,
        *,
        chance: Callable[[], float],
        now: Callable[[], datetime],
    ) -> None:
        """`chance` is a number from 0 to below 1, anew at each call."""
        self._database = database
        self._rules = rules
        self._chance = chance
        self._now = now
        self._waiting: deque[Entry] = deque()
        self._waiting_bytes = 0
        self._news = asyncio.Event()
        self._written = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._behind = False
        self.dropped = 0
        """How many were not kept because too many waited."""

    def tape_for(self, plan: RunPlan, call: UUID) -> Tape | None:
        """For one attempt; None where nothing is kept anyway."""
        if not self._rules.kept:
            return None
        origin = Origin.of(plan)
        return Tape(call, most_bytes=self._rules.most_bytes, on_end=lambda tape: self.keep(origin, tape))

    def keep(self, origin: Origin, tape: Tape) -> None:
        """Decides about an attempt that has ended. Returns at once."""
        if tape.outcome not in _NOT_FAILED:
            because = WireRecord.Reason.FAILED
        elif self._chance() < self._rules.sample:
            because = WireRecord.Reason.SAMPLED
        else:
            return
        held = tape.held_bytes
        if len(self._waiting) >= MOST_WAITING or self._waiting_bytes + held > MOST_WAITING_BYTES:
            self._drop()
            return
        self._waiting_bytes += held
        self._waiting.append(Entry(origin, tape, because, self._now(), self._rules.most_bytes))
        self._news.set()

    def start(self) -> None:
        self._task = asyncio.create_task(self._write_for_ever(), name="wire log")

    async def stop(self) -> None:
        """Writes what waits, for half a second at most."""
        if self._task is None:
            return
        with suppress(TimeoutError):
            await asyncio.wait_for(self.written(), DRAIN_SECONDS)
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        if self._waiting:
            logger.warning("wire log not written to its end", records=len(self._waiting))

    async def written(self) -> None:
        """Returns when nothing waits any more."""
        while self._waiting:
            self._written.clear()
            await self._written.wait()

    async def _write_for_ever(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            while self._waiting:
                entry = self._waiting[0]
                await self._write(entry)
                self._waiting_bytes -= entry.tape.held_bytes
                self._waiting.popleft()
            if self._behind:
                self._behind = False
                logger.warning("wire log has caught up", dropped=self.dropped)
            self._written.set()

    async def _write(self, entry: Entry) -> None:
        wait_seconds = FIRST_WAIT_SECONDS
        while True:
            try:
                with unhurried():
                    await self._database(store, entry)
            except StorageUnavailable as error:
                logger.info("wire log waits for the database", reason=error.detail)
                await asyncio.sleep(wait_seconds)
                wait_seconds = min(wait_seconds * 2, LONGEST_WAIT_SECONDS)
            except Exception:  # one bad record must not end the keeping of all others
                logger.exception("wire record not kept", run=entry.origin.run)
                return
            else:
                return

    def _drop(self) -> None:
        self.dropped += 1
        if not self._behind:
            self._behind = True
            logger.warning("wire log is behind, records are dropped", waiting=len(self._waiting))


def store(entry: Entry) -> bool:
    """Takes the secrets out and writes the record; False where the run is gone, or the record there already."""
    columns = _columns(entry)
    try:
        with transaction.atomic():
            if not Run.objects.filter(pk=entry.origin.run).exists():
                return False
            WireRecord.objects.create(**columns)
    except IntegrityError:
        # Deleted in the meantime, or written by a try whose line to the database broke.
        return False
    return True


def _columns(entry: Entry) -> dict[str, Any]:
    origin, tape = entry.origin, entry.tape
    secrets = redaction.secrets_of(origin.api_key, tape.endpoint)
    request = packed(redaction.plain_request_body(tape.request.body, secrets, most_bytes=entry.most_bytes))
    response = packed(secrets.hide_cut(tape.body()))
    return {
        "id": tape.call,
        "user_id": origin.user,
        "conversation_id": origin.conversation,
        "run_id": origin.run,
        "provider": origin.provider,
        "model": origin.model,
        "dialect": origin.dialect,
        "created_at": entry.ended_at,
        "kept_because": entry.kept_because,
        "outcome": tape.outcome,
        "detail": secrets.hide_in(tape.detail)[: redaction.LONGEST_HEADER],
        "url": redaction.plain_url(tape.endpoint, tape.request, secrets),
        "request_headers": redaction.plain_request_headers(tape.endpoint, tape.request, secrets),
        "request_bytes": len(tape.request.body),
        "http_status": tape.status,
        "response_headers": redaction.plain_headers(tape.headers, secrets),
        "response_bytes": tape.fed_bytes,
        "truncated": tape.truncated,
        "size": len(request) + len(response),
        "request": request,
        "response": response,
    }
