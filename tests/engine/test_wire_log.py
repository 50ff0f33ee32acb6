"""Which attempts the wire log keeps, and that nobody waits for it."""

import asyncio
import uuid
from contextlib import suppress
from datetime import UTC, datetime

import pytest
from structlog.testing import capture_logs

from chat.engine import wire_log
from chat.engine.wire_log import Entry, Origin, WireLog, WireLogRules, store
from chat.exceptions import ProviderCut, StorageUnavailable
from chat.llm.client import Endpoint
from chat.llm.dialects.base import WireRequest
from chat.llm.tape import Tape
from chat.models import Run, WireRecord
from tests.factories import RunFactory

NOW = datetime(2026, 1, 2, tzinfo=UTC)
KEY = "sk-canary-of-a-key"
ENDPOINT = Endpoint("https://lab.example/v1", headers={"X-Gate": "canary-of-a-header"})
REQUEST = WireRequest("/chat", {"Authorization": f"Bearer {KEY}"}, f'{{"note": "{KEY}"}}'.encode())


class Shelf:
    """Stands where the database's threads are; `open` lets writers through."""

    def __init__(self):
        self.kept: list[Entry] = []
        self.open = asyncio.Event()
        self.open.set()
        self.failures: list[Exception] = []

    async def __call__(self, _store, entry: Entry):
        await self.open.wait()
        if self.failures:
            raise self.failures.pop(0)
        self.kept.append(entry)

    @property
    def calls(self) -> list[uuid.UUID]:
        return [entry.tape.call for entry in self.kept]


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
async def started(shelf):
    """Makes started logs; each is stopped at the end."""
    logs = []

    def start(sample: float = 0.0, chance: float = 0.5, **rules) -> WireLog:
        log = WireLog(shelf, WireLogRules(sample=sample, **rules), chance=lambda: chance, now=lambda: NOW)
        log.start()
        logs.append(log)
        return log

    yield start
    shelf.open.set()
    for log in logs:
        await log.stop()


def origin(run: Run | None = None) -> Origin:
    return Origin(
        user=run.user.pk if run else uuid.uuid4(),
        conversation=run.conversation.pk if run else uuid.uuid4(),
        run=run.pk if run else uuid.uuid4(),
        provider="lab",
        model="model-1",
        dialect="openai_chat",
        api_key=KEY,
    )


def end(tape: Tape, error: BaseException | None, answer: bytes, status: int = 200, **headers: str) -> None:
    with suppress(ProviderCut, asyncio.CancelledError), tape.recording(ENDPOINT, REQUEST):
        tape.head(status, headers)
        tape.take(answer)
        if error is not None:
            raise error


def attempt(log: WireLog, answer: bytes = b"") -> uuid.UUID:
    """One that was cut."""
    tape = Tape(uuid.uuid4(), most_bytes=100_000, on_end=lambda tape: log.keep(origin(), tape))
    end(tape, ProviderCut(), answer)
    return tape.call


class TestWhatIsKept:
    async def test_what_failed_always_is(self, started, shelf):
        log = started(sample=0.0, chance=0.999)
        call = attempt(log)
        await log.written()
        assert [(entry.tape.call, entry.kept_because) for entry in shelf.kept] == [(call, "failed")]

    @pytest.mark.parametrize("error", [None, asyncio.CancelledError()])
    @pytest.mark.parametrize(
        ("sample", "chance", "kept"),
        [(0.0, 0.0, False), (0.01, 0.0099, True), (0.01, 0.01, False), (1.0, 0.999, True)],
    )
    async def test_of_the_others_chance_decides(self, started, shelf, error, sample, chance, kept):
        log = started(sample=sample, chance=chance)
        tape = Tape(uuid.uuid4(), most_bytes=10, on_end=lambda tape: log.keep(origin(), tape))
        end(tape, error, b"")
        await log.written()
        assert [entry.kept_because for entry in shelf.kept] == (["sampled"] if kept else [])

    async def test_nothing_is_noted_where_it_is_switched_off(self, started):
        assert started(kept=False).tape_for(None, uuid.uuid4()) is None


class TestNobodyWaits:
    async def test_what_is_too_much_is_dropped_counted_and_told_once(self, started, shelf, monkeypatch):
        monkeypatch.setattr(wire_log, "MOST_WAITING", 3)
        log = started()
        shelf.open.clear()
        with capture_logs() as told:
            calls = [attempt(log) for _ in range(5)]
            shelf.open.set()
            await log.written()
        assert shelf.calls == calls[:3]
        assert log.dropped == 2
        assert [(line["event"], line.get("dropped")) for line in told] == [
            ("wire log is behind, records are dropped", None),
            ("wire log has caught up", 2),
        ]

    async def test_bytes_are_bounded_too(self, started, shelf, monkeypatch):
        monkeypatch.setattr(wire_log, "MOST_WAITING_BYTES", 20_000)
        log = started()
        shelf.open.clear()
        calls = [attempt(log, answer=b"x" * 15_000) for _ in range(2)]
        shelf.open.set()
        await log.written()
        assert shelf.calls == calls[:1]
        later = attempt(log, answer=b"x" * 15_000)
        await log.written()
        assert shelf.calls == [calls[0], later]

    async def test_a_database_that_is_away_is_asked_again(self, started, shelf, monkeypatch):
        monkeypatch.setattr(wire_log, "FIRST_WAIT_SECONDS", 0.001)
        shelf.failures = [StorageUnavailable(), StorageUnavailable()]
        log = started()
        calls = [attempt(log), attempt(log)]
        await log.written()
        assert shelf.calls == calls

    async def test_a_record_that_cannot_be_written_does_not_stop_the_others(self, started, shelf):
        shelf.failures = [ValueError("odd")]
        log = started()
        calls = [attempt(log), attempt(log)]
        with capture_logs() as told:
            await log.written()
        assert shelf.calls == calls[1:]
        assert [line["event"] for line in told] == ["wire record not kept"]

    async def test_at_the_end_what_waits_is_written(self, started, shelf):
        log = started()
        calls = [attempt(log), attempt(log)]
        await log.stop()
        assert shelf.calls == calls

    async def test_but_not_for_long(self, started, shelf, monkeypatch):
        monkeypatch.setattr(wire_log, "DRAIN_SECONDS", 0.01)
        log = started()
        shelf.open.clear()
        attempt(log)
        with capture_logs() as told:
            async with asyncio.timeout(5):
                await log.stop()
        assert [(line["event"], line["records"]) for line in told] == [("wire log not written to its end", 1)]


def entry(run: Run, answer: bytes = b"data", *, detail: str = "", **headers: str) -> Entry:
    tape = Tape(uuid.uuid4(), most_bytes=1000, on_end=lambda _: None)
    end(tape, ProviderCut(detail=detail), answer, 502, **headers)
    return Entry(origin(run), tape, "failed", NOW, 1000)


@pytest.mark.django_db
class TestStore:
    def test_a_record_has_all_that_is_known(self):
        run = RunFactory.create()
        kept = entry(run, b"half an answer", detail="broken pipe", **{"content-type": "text/plain"})
        assert store(kept)
        record = WireRecord.objects.get(pk=kept.tape.call)
        assert (record.run, record.conversation, record.user) == (run, run.conversation, run.user)
        assert (record.provider, record.model, record.dialect) == ("lab", "model-1", "openai_chat")
        assert (record.created_at, record.kept_because) == (NOW, "failed")
        assert (record.outcome, record.detail) == ("provider_cut", "broken pipe")
        assert (record.http_status, record.response_headers) == (502, {"content-type": "text/plain"})
        assert record.url == "https://lab.example/v1/chat"
        assert record.request_body() == b'{"note": "[hidden]"}'
        assert record.response_body() == b"half an answer"
        assert (record.request_bytes, record.response_bytes) == (len(REQUEST.body), len(b"half an answer"))
        assert record.size == len(record.request) + len(record.response)
        assert not record.truncated

    def test_no_column_has_a_secret(self):
        said = f"{KEY} and canary-of-a-header"
        store(
            entry(RunFactory.create(), said.encode(), detail=said, **{"x-echo": said, "set-cookie": "canary"})
        )
        record = WireRecord.objects.get()
        columns = {**vars(record), "request": record.request_body(), "response": record.response_body()}
        assert [name for name, value in columns.items() if "canary" in str(value)] == []

    def test_an_answer_beyond_the_bound_is_truncated_and_no_part_of_a_key_is_at_its_end(self):
        store(entry(RunFactory.create(), b"x" * 990 + KEY.encode() + b"y" * 5000))
        record = WireRecord.objects.get()
        assert record.truncated
        assert record.response_bytes == 5990 + len(KEY)
        assert record.response_body() == b"x" * 990

    def test_nothing_of_a_run_that_is_gone(self):
        run = RunFactory.create()
        kept = entry(run)
        run.conversation.delete()
        assert not store(kept)
        assert not WireRecord.objects.exists()

    def test_twice_is_once(self):
        kept = entry(RunFactory.create())
        assert [store(kept), store(kept)] == [True, False]
        assert WireRecord.objects.count() == 1

    def test_it_goes_with_its_conversation_and_with_its_user(self):
        first, second, third = (RunFactory.create() for _ in range(3))
        for run in (first, second, third):
            store(entry(run))
        first.conversation.delete()
        second.user.delete()
        assert list(WireRecord.objects.values_list("run", flat=True)) == [third.pk]
