"""Heads that are written out: one a day, whatever was missed, to a file and to a receiver."""

import base64
import json
import stat
from datetime import date, timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from chat.audit.heads import WRITTEN, file_due, make_due, make_now, read_heads, send_due, written
from chat.audit.walk import Broken
from chat.checks import audit_heads_are_signed
from chat.models import AuditCheckpoint
from chat.tasks import write_audit_heads
from chat.webhooks.signing import verify
from chat.wiring.audit import record, seals
from tests.audit.chains import BEGAN, SEALS, Clock, append, look
from tests.fakes.receiver import answer, receiver

pytestmark = [pytest.mark.django_db, pytest.mark.both_columns]
DAY = timedelta(days=1)


def days() -> list[tuple[str, int]]:
    rows = AuditCheckpoint.objects.exclude(day=None).order_by("day").values_list("day", "sequence")
    return [(str(day), sequence) for day, sequence in rows]


@pytest.fixture
def three_days() -> None:
    """Two entries on the first of March, none on the second, one on the third."""
    append(look(), look(), now=Clock(BEGAN))
    append(look(), now=Clock(BEGAN + 2 * DAY))


def test_a_day_has_its_head_once_it_has_ended(three_days: None):
    assert make_due(BEGAN, SEALS) == []
    make_due(BEGAN + DAY, SEALS)
    assert days() == [("2026-03-01", 2)]
    make_due(BEGAN + DAY, SEALS)
    assert days() == [("2026-03-01", 2)]


def test_days_that_were_missed_are_caught_up_with(three_days: None):
    make_due(BEGAN + 4 * DAY, SEALS)

    assert days() == [("2026-03-01", 2), ("2026-03-02", 2), ("2026-03-03", 3), ("2026-03-04", 3)]


def test_where_nothing_ever_happened_there_is_none():
    assert make_due(BEGAN, SEALS) == []


def test_a_clock_that_was_behind_takes_no_head_back(three_days: None):
    make_due(BEGAN + 4 * DAY, SEALS)
    append(look(), now=Clock(BEGAN - 9 * DAY))
    make_due(BEGAN + 6 * DAY, SEALS)

    assert days()[-1] == ("2026-03-06", 4)


def test_no_seal_is_put_on_a_chain_that_does_not_fit(three_days: None):
    with connection.cursor() as cursor:
        cursor.execute("UPDATE chat_auditentry SET reason = 'another' WHERE sequence = 2")
    for make in (make_due, make_now):
        with pytest.raises(Broken) as broken:
            make(BEGAN + 4 * DAY, SEALS)
        assert broken.value.sequence == 2
    assert not AuditCheckpoint.objects.exists()


class TestTheFile:
    def test_each_head_is_a_line_that_was_sealed(self, three_days: None, tmp_path: Path):
        file = tmp_path / "kept" / "heads.jsonl"
        make_due(BEGAN + 2 * DAY, SEALS)
        assert file_due(file, Clock()) == 2
        make_due(BEGAN + 3 * DAY, SEALS)
        assert file_due(file, Clock()) == 1

        heads = [head for head in read_heads(file.read_bytes().splitlines()) if head is not None]
        assert [(head.day, head.sequence) for head in heads] == [
            ("2026-03-01", 2), ("2026-03-02", 2), ("2026-03-03", 3),
        ]  # fmt: skip
        assert all(SEALS.holds(head.seal, WRITTEN, head.sealed()) for head in heads)
        assert stat.S_IMODE(file.stat().st_mode) == 0o600

    def test_one_that_could_not_be_written_is_written_later(self, three_days: None, tmp_path: Path):
        make_due(BEGAN + DAY, SEALS)
        with pytest.raises(OSError, match="Is a directory"):
            file_due(tmp_path, Clock())

        assert file_due(tmp_path / "heads.jsonl", Clock()) == 1


class TestTheReceiver:
    def test_they_are_sent_in_order_until_one_is_not_taken(self, three_days: None):
        make_due(BEGAN + 4 * DAY, SEALS)
        tried: list[str] = []

        def second_refused(message: str, body: bytes) -> bool:
            tried.append(json.loads(body)["day"])
            return len(tried) != 2

        assert send_due(second_refused, Clock()) == 1
        assert send_due(lambda message, body: True, Clock()) == 3
        assert send_due(lambda message, body: True, Clock()) == 0
        assert tried == ["2026-03-01", "2026-03-02"]

    def test_a_try_again_has_the_same_id(self, three_days: None):
        make_due(BEGAN + DAY, SEALS)
        ids: list[str] = []
        for _ in range(2):
            send_due(lambda message, body: ids.append(message) is not None, Clock())  # type: ignore[func-returns-value]

        assert len(set(ids)) == 1


def test_they_come_signed_as_all_webhooks(settings, tmp_path: Path):
    with receiver() as there:
        settings.AUDIT_HEADS_FILE = tmp_path / "heads.jsonl"
        settings.AUDIT_HEADS_URL = there.url
        settings.AUDIT_HEADS_SECRET = "whsec_" + base64.b64encode(b"k" * 32).decode()
        settings.TOOLS_ALLOWED_HOSTS = ["127.0.0.1"]
        there.then(answer(500), answer(204))
        record(look())
        call_command("write_audit_head", stdout=StringIO())
        assert AuditCheckpoint.objects.filter(delivered_at=None).count() == len(there.requests) == 1
        write_audit_heads()

        refused, taken = there.requests
        signed = verify([settings.AUDIT_HEADS_SECRET], taken.headers, taken.body, now=taken.at)
        assert signed.id == refused.headers["webhook-id"]
        assert json.loads(taken.body)["event"] == "audit.head"
        assert not AuditCheckpoint.objects.filter(delivered_at=None).exists()


class TestAsCommands:
    @pytest.fixture(autouse=True)
    def file(self, settings, tmp_path: Path) -> Path:
        settings.AUDIT_HEADS_FILE = tmp_path / "heads.jsonl"
        return tmp_path / "heads.jsonl"

    def run(self, *words: str) -> str:
        said = StringIO()
        call_command(*words, stdout=said)
        return said.getvalue()

    def test_one_is_written_now_and_the_chain_is_whole(self, file: Path):
        record(look(), look())

        assert self.run("write_audit_head") == "made: 1, filed: 1, sent: 0\n"
        assert self.run("verify_audit") == "2 entries and 2 written heads: the chain is whole.\n"

    def test_a_tail_that_was_cut_with_its_head_is_found_by_the_file(self, file: Path):
        record(look(), look())
        self.run("write_audit_head")
        with connection.cursor() as cursor:
            for table in ("chat_auditentry", "chat_audithead", "chat_auditcheckpoint"):
                cursor.execute(f"DELETE FROM {table}")  # noqa: S608

        with pytest.raises(CommandError, match=r"line 1 of .*is of entry 2, but there are only 0") as error:
            self.run("verify_audit")
        assert error.value.returncode == 1

    def test_a_copy_from_elsewhere_is_read_too(self, file: Path, tmp_path: Path):
        record(look())
        self.run("write_audit_head")
        copy = file.rename(tmp_path / "copy.jsonl")

        assert "1 written heads" in self.run("verify_audit")
        assert "2 written heads" in self.run("verify_audit", "--heads", str(copy))
        with pytest.raises(CommandError, match="Cannot read heads"):
            self.run("verify_audit", "--heads", str(tmp_path / "not there"))

    def test_the_first_bad_entry_is_named(self, file: Path):
        record(look(), look(), look())
        with connection.cursor() as cursor:
            cursor.execute("UPDATE chat_auditentry SET kind = 'other' WHERE sequence = 2")

        with pytest.raises(CommandError, match="The first bad entry is 2"):
            self.run("verify_audit")
        with pytest.raises(CommandError, match="Entry 2 does not fit"):
            self.run("write_audit_head")

    def test_the_task_writes_what_is_due(self, file: Path):
        record(look())

        assert write_audit_heads() == {"made": 0, "filed": 0, "sent": 0}
        AuditCheckpoint.objects.create(
            day=date(2026, 1, 1), sequence=0, made_at=BEGAN, seal=seals().seal(WRITTEN, {})
        )
        assert write_audit_heads()["filed"] > 0


def test_a_receiver_needs_a_secret(settings):
    assert audit_heads_are_signed() == []
    settings.AUDIT_HEADS_URL = "https://a.example/"
    assert [error.id for error in audit_heads_are_signed()] == ["chat.E010"]


def test_what_is_written_is_canonical(three_days: None):
    line = written(make_now(BEGAN, SEALS)).line()
    assert line == json.dumps(json.loads(line), sort_keys=True, separators=(",", ":")).encode()
