"""The page of one run: what happened when, what it cost to the last digit, and nothing of what was written."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from chat.models import AuditEntry, ModerationHit, Reservation, Run, User
from tests.admin.gates import WHY, auditor, give_reason, signed_in
from tests.factories import (
    ApiTokenFactory,
    MessageFactory,
    ModelCallFactory,
    RunFactory,
    ToolInvocationFactory,
    UserFactory,
    WireRecordFactory,
)

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
WORDS = "the words of a private conversation"
PRICE = {"input": "3", "output": "15", "cached_input": "0.3", "currency": "USD"}
STREAM = (
    b'data: {"choices":[{"index":0,"delta":{"content":"Well, "}}]}\n\n'
    b'data: {"choices":[{"index":0,"delta":{"content":"hello </script>"}}]}\n\n'
    b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


@pytest.fixture
def run(db: None) -> Run:
    """A retry, an approval, two steps: a figure of each kind is known."""
    made: Run = RunFactory.create(
        status="completed", epoch=1, created_at=NOON, finished_at=at(12), error=None,
        usage={"input_tokens": 300, "output_tokens": 70, "cached_tokens": 100, "source": "reported"},
        cost=Decimal("0.00156"), currency="USD",
    )  # fmt: skip
    made.message.parts = [{"type": "text", "text": WORDS}]
    made.message.parent = MessageFactory.create(conversation=made.conversation, text=WORDS)
    made.message.save()
    one: dict[str, Any] = {"run": made, "price": PRICE, "currency": "USD", "usage_source": "reported"}
    ModelCallFactory.create(
        run=made, started_at=at(0.3), duration_ms=100, outcome="provider_overloaded", http_status=529
    )
    ModelCallFactory.create(
        **one, attempt=2, started_at=at(2.4), duration_ms=1000, ttft_ms=300, connect_ms=20,
        input_tokens=300, cached_tokens=100, output_tokens=50, cost=Decimal("0.00138"),
    )  # fmt: skip
    ModelCallFactory.create(
        **{**one, "usage_source": "estimated"}, step=2, started_at=at(10), duration_ms=2000, ttft_ms=200,
        output_tokens=12, cost=Decimal("0.00018"),
    )  # fmt: skip
    ToolInvocationFactory.create(
        run=made, status="succeeded", waits_for="", created_at=at(3.4), decided_at=at(9), decision="approve",
        decided_by=made.user, started_at=at(9), finished_at=at(9.5), attempts=1, arguments=WORDS, result=WORDS,
    )  # fmt: skip
    return made


def page_of(client: Client, run: Run) -> str:
    response = client.get(f"/admin/chat/run/{run.pk}/change/")
    assert response.status_code == 200
    return response.content.decode()


@pytest.fixture
def shown(client: Client, ada: User, run: Run) -> Any:
    client.force_login(ada, backend="django.contrib.auth.backends.ModelBackend")
    return client.get(f"/admin/chat/run/{run.pk}/change/").context["page"]


def test_nothing_of_what_was_written_is_shown(client: Client, ada: User, run: Run):
    WireRecordFactory.create(run=run, asked=WORDS.encode(), answered=STREAM)
    client.force_login(ada, backend="django.contrib.auth.backends.ModelBackend")

    shown = page_of(client, run)

    assert WORDS not in shown
    assert "Well, " not in shown
    assert not AuditEntry.objects.filter(action="look").exists()


def test_a_run_says_by_which_api_token_it_was_started(
    client: Client, ada: User, run: Run, django_assert_num_queries: Any
):
    address = f"/admin/chat/run/{run.pk}/change/"
    client.force_login(ada)
    assert "Started by" not in client.get(address).content.decode()
    run.token = ApiTokenFactory.create(owner=run.user, name="nightly", secret="lct_abcdefgh")
    run.save()
    with django_assert_num_queries(8):
        page = client.get(address).content.decode()
    assert "nightly (lct_abcdef…)" in page


def test_the_first_token_is_split_into_ours_the_retry_and_the_model(shown: Any):
    assert (shown.figures[0].value, shown.figures[0].detail) == (
        "2.70 s",
        "0.30 ours · 2.10 retry · 0.30 model",
    )


def test_the_duration_says_how_much_of_it_was_a_wait(shown: Any):
    assert (shown.figures[1].value, shown.figures[1].detail) == ("12.0 s", "5.6 s of it waiting for somebody")


def test_tokens_and_cost_are_those_of_the_run(shown: Any):
    assert (shown.figures[2].value, shown.figures[2].detail) == ("370", "70 of them out, 100 cached")
    assert shown.figures[3].value == "0.00156 USD"


def test_the_ledger_goes_line_by_line_and_adds_up(shown: Any):
    lines = [(one.line, one.tokens, one.price, one.amount, one.source) for one in shown.entries]

    assert lines == [
        ("provider_overloaded", "–", "–", "–", "unknown"),
        ("input, cached", "100", "0.30 USD / M", "0.00003 USD", "reported"),
        ("input", "200", "3.00 USD / M", "0.0006 USD", "reported"),
        ("output", "50", "15.00 USD / M", "0.00075 USD", "reported"),
        ("output", "12", "15.00 USD / M", "0.00018 USD", "estimated"),
    ]
    assert [one.estimated for one in shown.entries] == [False, False, False, False, True]
    assert (shown.charged.tokens, shown.charged.amount) == ("362", "0.00156 USD")
    assert shown.disagrees == ""


def test_what_rounding_has_done_is_a_line_of_its_own(client: Client, ada: User, run: Run):
    run.model_calls.filter(step=2).update(cost=Decimal("0.000180001"))
    client.force_login(ada, backend="django.contrib.auth.backends.ModelBackend")

    shown = client.get(f"/admin/chat/run/{run.pk}/change/").context["page"]

    assert (shown.entries[-1].line, shown.entries[-1].amount) == ("rounding", "0.000000001 USD")
    assert shown.disagrees == "The run's own row says 0.00156 USD."


def set_aside(run: Run, step: int, **more: Any) -> None:
    usual = {"input_tokens": 100, "output_tokens": 4096, "cost": Decimal("0.0615"), "currency": "USD"}
    Reservation.objects.create(run=run.pk, step=step, epoch=1, **(usual | more))


def test_what_quotas_have_set_aside_stands_below_the_ledger(client: Client, ada: User, run: Run):
    set_aside(run, 1, created_at=at(0.2), ended_at=at(3.4), state="settled")
    set_aside(run, 2, created_at=at(9.9), cost=None)
    client.force_login(ada, backend="django.contrib.auth.backends.ModelBackend")

    shown = client.get(f"/admin/chat/run/{run.pk}/change/").context["page"]

    assert [(one.step, one.tokens, one.amount, one.state) for one in shown.asides] == [
        ("1", "4,196", "0.0615 USD", "settled"),
        ("2", "4,196", "–", "set aside"),
    ]
    assert shown.asides[1].ended == "–"
    assert shown.charged.amount == "0.00156 USD"


def test_what_is_recorded_stands_in_its_order(shown: Any):
    assert [moment.text for moment in shown.recorded] == [
        "run.started",
        "run.retrying, attempt 2 in 2,000 ms: provider_overloaded",
        "step.finished, 1: completed",
        "tool.waiting for approval: calculate",
        f"calculate approved by {Run.objects.get().user}",
        "tool.running, attempt 1: calculate",
        "tool.finished, succeeded: calculate",
        "step.finished, 2: completed",
        "run.finished, completed",
    ]


def test_without_a_wire_record_it_says_so_and_how_to_keep_one(client: Client, ada: User, run: Run):
    client.force_login(ada, backend="django.contrib.auth.backends.ModelBackend")

    assert "WIRE_LOG_SAMPLE=1 keeps all of the next ones" in page_of(client, run)


def test_a_run_under_way_says_what_its_calls_have_used_so_far(client: Client, ada: User, run: Run):
    Run.objects.filter(pk=run.pk).update(finished_at=None, status="waiting", usage={}, cost=None)
    client.force_login(ada, backend="django.contrib.auth.backends.ModelBackend")

    shown = client.get(f"/admin/chat/run/{run.pk}/change/").context["page"]

    assert (shown.figures[2].value, shown.figures[2].detail) == ("362", "62 of them out, 100 cached")
    assert (shown.figures[3].value, shown.figures[3].detail) == ("0.00156 USD", "so far")


def test_what_moderation_has_found_leads_to_its_list(client: Client, ada: User, run: Run):
    ModerationHit.objects.create(
        rule_name="cards",
        action="flag",
        where="output",
        part="text",
        user=run.user,
        run=run,
        position=0,
        length=16,
    )
    client.force_login(ada, backend="django.contrib.auth.backends.ModelBackend")

    facts = {one.label: one for one in client.get(f"/admin/chat/run/{run.pk}/change/").context["page"].facts}

    assert facts["Found by moderation"].text == "1"
    assert client.get(facts["Found by moderation"].url).context["cl"].result_count == 1


def test_a_run_that_has_not_begun_has_a_page(client: Client, ada: User):
    client.force_login(ada, backend="django.contrib.auth.backends.ModelBackend")

    assert "No call was made yet." in page_of(client, RunFactory.create())


def test_as_many_queries_however_long_it_was(client: Client, ada: User, run: Run, django_assert_num_queries):
    client.force_login(ada, backend="django.contrib.auth.backends.ModelBackend")
    page_of(client, run)
    with django_assert_num_queries(8):
        page_of(client, run)
    for step in range(3, 30):
        ModelCallFactory.create(run=run, step=step)
        ToolInvocationFactory.create(run=run, step=step, decided_by=UserFactory.create())
        set_aside(run, step)
    with django_assert_num_queries(8):
        page_of(client, run)


class TestTheEvents:
    def test_are_types_times_and_lengths(self, client: Client, ada: User, run: Run):
        client.force_login(ada, backend="django.contrib.auth.backends.ModelBackend")

        response = client.get(f"/admin/chat/run/{run.pk}/events/")

        body = response.getvalue().decode()
        facts = [json.loads(line) for line in body.splitlines()]
        assert WORDS not in body
        assert response.headers["Content-Disposition"] == f'attachment; filename="run-{run.pk}.jsonl"'
        assert [fact["type"] for fact in facts] == [
            "run.started", "model.call", "model.call", "model.call", "part.text", "tool", "run.finished",
        ]  # fmt: skip
        assert facts[4]["text_characters"] == len(WORDS)
        assert facts[-1]["cost"] == {"amount": "0.001560000", "currency": "USD"}

    def test_are_for_those_who_may_see_runs(self, run: Run):
        assert signed_in("view_conversation").get(f"/admin/chat/run/{run.pk}/events/").status_code == 403


class TestBehindTheGate:
    def test_a_reason_opens_what_was_written_and_the_look_is_recorded(self, run: Run):
        WireRecordFactory.create(run=run, asked=b'{"model": "asked"}', answered=STREAM)
        client = auditor("view_run")
        give_reason(client, "run", run.pk)

        shown = page_of(client, run)

        assert shown.count(WORDS) == 4
        assert "&quot;asked&quot;" in shown
        entry = AuditEntry.objects.get(action="look")
        assert (entry.kind, entry.key, entry.reason) == ("run", str(run.pk), WHY)

    def test_the_stream_is_played_from_the_record(self, run: Run):
        record = WireRecordFactory.create(run=run, answered=STREAM)
        ModelCallFactory.create(id=record.pk, run=run, attempt=9, duration_ms=1500, ttft_ms=500)
        client = auditor("view_run")
        give_reason(client, "run", run.pk)

        response = client.get(f"/admin/chat/run/{run.pk}/change/")

        [exchange] = response.context["contents"].exchanges
        assert [piece["text"] for piece in exchange.pieces] == ["Well, ", "hello </script>", "[stop]"]
        assert exchange.milliseconds == 1000
        assert b"hello </script>" not in response.content

    def test_an_answer_that_breaks_the_dialect_says_what_is_wrong_with_it(self, run: Run):
        WireRecordFactory.create(run=run, answered=b"data: {not json}\n\n")
        client = auditor("view_run")
        give_reason(client, "run", run.pk)

        [exchange] = client.get(f"/admin/chat/run/{run.pk}/change/").context["contents"].exchanges

        assert [piece["text"] for piece in exchange.pieces] == ["[provider_garbage]"]

    def test_who_may_not_see_runs_sees_none(self, run: Run):
        assert auditor("view_conversation").get(f"/admin/chat/run/{run.pk}/change/").status_code == 403


def test_an_address_that_is_none_is_not_found(client: Client, ada: User):
    client.force_login(ada, backend="django.contrib.auth.backends.ModelBackend")

    assert client.get("/admin/chat/run/nonsense/change/").status_code == 404
    assert client.get("/admin/chat/run/01a22f87-a010-7602-bf5a-b700fd6fb72c/change/").status_code == 404
