"""What `manage.py prune` drops, and what it leaves."""

import io
from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import call_command
from django.utils import timezone

from chat.engine import retention
from chat.engine.retention import prune_wire_log
from chat.models import SetupLink, WireRecord
from tests.factories import NodeFactory, RunFactory, WireRecordFactory

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 1, 8, tzinfo=UTC)


def records(*days_ago: float, size: int = 10) -> list[WireRecord]:
    run = RunFactory.create()
    return [
        WireRecordFactory.create(run=run, created_at=NOW - timedelta(days=days), size=size)
        for days in days_ago
    ]


def left() -> list[float]:
    return [
        (NOW - at) / timedelta(days=1)
        for at in WireRecord.objects.order_by("created_at").values_list("created_at", flat=True)
    ]


def test_records_go_when_their_days_are_over():
    records(8, 7.01, 6.99, 0)
    assert prune_wire_log(NOW - timedelta(days=7), most_bytes=1000) == 2
    assert left() == [6.99, 0]


def test_the_oldest_go_first_where_all_take_too_much():
    records(3, 1, 2, 0)
    assert prune_wire_log(NOW - timedelta(days=7), most_bytes=25) == 2
    assert left() == [1, 0]


def test_what_fits_stays():
    records(3, 1)
    assert prune_wire_log(NOW - timedelta(days=7), most_bytes=20) == 0
    assert left() == [3, 1]


def test_many_go_in_small_steps(monkeypatch, django_assert_num_queries):
    monkeypatch.setattr(retention, "STEP", 2)
    records(*[9] * 5, 1)
    # The sum, then twice two, one of the last two, and a last look.
    with django_assert_num_queries(1 + 3 * 2 + 1):
        assert prune_wire_log(NOW - timedelta(days=7), most_bytes=1000) == 5
    assert left() == [1]


def test_nothing_to_drop_is_nothing():
    assert prune_wire_log(NOW, most_bytes=0) == 0


def test_the_command_says_what_it_dropped():
    WireRecordFactory.create(created_at=timezone.now() - timedelta(days=8))
    WireRecordFactory.create()
    NodeFactory.create(heartbeat_at=timezone.now() - timedelta(days=2))
    SetupLink.objects.create(token_sha256="0" * 64, used_at=timezone.now() - timedelta(days=2))
    out = io.StringIO()
    call_command("prune", stdout=out)
    assert (
        out.getvalue()
        == "sessions: 0, nodes: 1, sign ins: 0, links: 1, wire records: 1, webhook deliveries: 0, "
        "tool progress: 0, conversations: 0, attachments: 0, files: 0, reservations: 0, quota uses: 0, "
        "forgotten calls: 0\n"
    )
    assert WireRecord.objects.count() == 1
