"""The dashboard: counts, times in their bands, costs from the ledger's sums, each leading to its list."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client

from chat.admin.run_stats import percentile, run_stats
from chat.conf import Bands
from chat.models import Quota, QuotaUse, Run, User
from chat.models.base import new_id
from chat.usage.ledger import write_calls
from chat.usage.quota_periods import begins
from tests.admin.gates import signed_in
from tests.factories import NodeFactory, ProviderFactory, RunFactory, UserFactory

NOW = datetime.now(UTC)


def ended(status: str = "completed", *, hours: float = 1, **more: Any) -> Run:
    began = NOW - timedelta(hours=hours)
    usual = {"usage": {"output_tokens": 100}, "ttft_ms": 200, "duration_ms": 2000, "tokens_per_second": 60.0}
    run: Run = RunFactory.create(
        status=status, created_at=began, finished_at=began + timedelta(seconds=2), **(usual | more)
    )
    return run


def spent(user: User, amount: str, *, days: int = 0, **more: Any) -> None:
    usual = {
        "id": new_id(), "user_id": user.pk, "pseudonym": user.pseudonym, "run_id": None, "conversation_id": None,
        "step": 1, "epoch": 1, "attempt": 1, "provider": "lab", "model": "one", "outcome": "completed",
        "started_at": NOW - timedelta(days=days), "usage_source": "reported", "input_tokens": 10, "output_tokens": 5,
        "cost": Decimal(amount), "currency": "USD",
    }  # fmt: skip
    write_calls([usual | more])


@pytest.fixture
def admin(client: Client, ada: User) -> Client:
    client.force_login(ada, backend="django.contrib.auth.backends.ModelBackend")
    return client


def board(client: Client, period: str = "") -> Any:
    response = client.get("/admin/", {"period": period} if period else {})
    assert response.status_code == 200
    return response.context["board"]


class TestRuns:
    def test_are_counted_by_status_and_by_error(self, admin: Client):
        ended()
        ended()
        ended("stopped")
        ended("failed", error={"code": "provider_cut"})
        RunFactory.create(status="running")

        shown = board(admin).runs

        assert [(one.label, one.count) for one in shown.statuses] == [
            ("running", "1"), ("completed", "2"), ("stopped", "1"), ("failed", "1"),
        ]  # fmt: skip
        assert [(one.label, one.count, one.share) for one in shown.errors] == [
            ("provider_cut", "1", "100.0 %")
        ]
        assert (shown.count, shown.under_way, shown.failed) == ("5", "1", "20.0 %")

    def test_are_those_of_the_period(self, admin: Client):
        for hours in (1, 50, 300):
            ended(hours=hours)

        counts = [board(admin, period).runs.count for period in ("", "24h", "7d", "30d", "nonsense")]
        assert counts == ["1", "1", "2", "3", "1"]

    def test_each_figure_leads_to_the_list_that_it_counts(self, admin: Client):
        ended()
        ended("failed", error={"code": "provider_cut"})
        ended("failed", error={"code": "internal"})
        ended("failed", hours=30, error={"code": "provider_cut"})

        shown = board(admin).runs

        for one in (*shown.statuses, *shown.errors):
            assert str(admin.get(one.url).context["cl"].result_count) == one.count
        assert admin.get(shown.url).context["cl"].result_count == 3
        assert admin.get(shown.failed_url).context["cl"].result_count == 2

    def test_none_yet_says_what_will_be_there(self, admin: Client):
        page = admin.get("/admin/").content.decode()

        assert "No run began in this period." in page
        assert "No run has failed." in page
        assert "Nothing was used in this period." in page


class TestHowItFelt:
    BANDS = Bands()

    def felt(self) -> Any:
        stats = run_stats(NOW - timedelta(hours=24), self.BANDS)
        return {one.measure: one for one in stats.felt}

    def test_each_measure_has_its_percentiles_in_their_bands(self, db: None):
        for ttft in (100, 200, 300, 700, 2000):
            ended(ttft_ms=ttft)

        first = self.felt()["first_token"]

        assert (first.p50, first.p95) == (0.3, 2.0)
        assert (first.p50_band, first.p95_band) == ("good", "bad")
        assert first.rated == {"good": 3, "slow": 1, "bad": 1}

    def test_of_a_pace_the_slow_end_is_the_bad_one(self, db: None):
        for pace in (100.0, 90.0, 80.0, 15.0):
            ended(tokens_per_second=pace)

        pace = self.felt()["pace"]

        assert (pace.p50, pace.p95, pace.p95_band) == (90.0, 15.0, "bad")

    def test_of_the_total_only_short_answers_are_rated(self, db: None):
        ended(duration_ms=5000)
        ended(duration_ms=90_000, usage={"output_tokens": 4000})

        total = self.felt()["total"]

        assert (total.count, total.p95) == (2, 90.0)
        assert total.rated == {"good": 1, "slow": 0, "bad": 0}

    def test_a_stop_lasts_from_being_asked_for_until_the_line_was_closed(self, db: None):
        asked = NOW - timedelta(minutes=5)
        closed = (asked + timedelta(milliseconds=300)).isoformat()
        ended("stopped", stop_requested_at=asked, stop_receipt={"upstream_closed_at": closed})
        ended("stopped", stop_requested_at=asked, stop_receipt={"upstream_closed_at": None})

        stop = self.felt()["stop"]

        assert (stop.count, stop.p50, stop.p50_band) == (1, 0.3, "slow")

    def test_none_is_no_figure(self, db: None):
        assert {(one.p50, one.p95, one.count) for one in self.felt().values()} == {(None, None, 0)}

    @pytest.mark.parametrize(("share", "value"), [(50, 5), (95, 10), (100, 10), (1, 1)])
    def test_a_percentile_is_a_value_that_there_was(self, share: int, value: float):
        assert percentile(list(range(1, 11)), share) == value


class TestCosts:
    def test_come_from_the_ledger_by_day_model_and_person(self, admin: Client, alice: User, bob: User):
        spent(alice, "1.5")
        spent(alice, "0.25", days=3, model="two")
        spent(bob, "2", usage_source="estimated")

        costs = board(admin, "7d").costs

        assert costs.total == ("3.75 USD",)
        assert costs.estimated
        assert [(one.label, one.amount, one.calls) for one in costs.models] == [
            ("lab/one", "~3.50 USD", "2"), ("lab/two", "0.25 USD", "1"),
        ]  # fmt: skip
        assert [(one.label, one.amount) for one in costs.people] == [
            ("bob", "~2.00 USD"),
            ("alice", "1.75 USD"),
        ]
        [(currency, chart)] = costs.charts
        assert (currency, len(chart.bars)) == ("USD", 8)
        assert [bar.value for bar in chart.bars if bar.height != "0.00%"] == ["0.25 USD", "3.50 USD"]

    def test_currencies_are_never_added_up(self, admin: Client, alice: User):
        spent(alice, "1")
        spent(alice, "7", currency="CNY")

        costs = board(admin).costs

        assert costs.total == ("7.00 CNY", "1.00 USD")
        assert [currency for currency, _chart in costs.charts] == ["CNY", "USD"]

    def test_each_row_leads_to_its_calls(self, admin: Client, alice: User, bob: User):
        spent(alice, "1")
        spent(bob, "1")
        spent(bob, "1", model="two")

        costs = board(admin).costs

        for one in (*costs.models, *costs.people):
            query = parse_qs(urlsplit(one.url).query)
            assert "started_at__gte" in query
            assert str(admin.get(one.url).context["cl"].result_count) == one.calls
        assert admin.get(costs.url).status_code == 200

    def test_of_who_is_gone_the_row_stays(self, admin: Client, alice: User):
        spent(alice, "1")
        User.objects.filter(pk=alice.pk).delete()

        assert [one.label for one in board(admin).costs.people] == ["an account that is gone"]


def test_quotas_near_their_end_are_shown_the_fullest_first(admin: Client, alice: User, bob: User):
    quota = Quota.objects.create(name="All", tokens_per_day=1000, money_per_month=Decimal(5), currency="USD")
    today = {"quota": quota, "kind": "tokens_per_day", "starts": begins("tokens_per_day", datetime.now(UTC))}
    month = {
        "quota": quota,
        "kind": "money_per_month",
        "starts": begins("money_per_month", datetime.now(UTC)),
    }
    QuotaUse.objects.create(**today, subject=alice.pseudonym, used=850)
    QuotaUse.objects.create(**month, subject=bob.pseudonym, used=4_900_000_000, currency="USD")
    QuotaUse.objects.create(**today, subject=bob.pseudonym, used=700)

    shown = board(admin).budgets

    assert [(one.name, one.who, one.percent, one.said) for one in shown] == [
        ("All", "bob", 98, "4.90 USD of 5.00 USD, money a month"),
        ("All", "alice", 85, "850 of 1,000, tokens a day"),
    ]
    assert "Quotas near their end" in admin.get("/admin/").content.decode()


def test_nodes_that_live_are_counted(admin: Client):
    NodeFactory.create()
    NodeFactory.create(kind="worker")
    NodeFactory.create(stopped_at=NOW)

    assert board(admin).nodes == {"web": 1, "worker": 1}


def test_where_no_model_was_called_yet_it_says_why_no_breaker_is_shown(admin: Client):
    ProviderFactory.create()

    shown = board(admin)

    assert shown.breakers is None
    assert "has made no model call" in shown.breakers_trouble


def test_what_somebody_may_not_see_is_not_asked_for(db: None):
    ended()

    shown = board(signed_in("view_run"))

    assert shown.runs.count == "1"
    assert (shown.costs, shown.nodes, shown.breakers) == (None, None, None)
    nothing = signed_in("view_group").get("/admin/")
    assert "The navigation has what you may see." in nothing.content.decode()


def test_as_many_queries_however_much_there_is(admin: Client, alice: User, django_assert_num_queries):
    board(admin)

    def fill(count: int) -> None:
        for number in range(count):
            ended("failed", error={"code": f"code{number}"})
            spent(UserFactory.create(), "1", model=f"model{number}")
            NodeFactory.create()

    fill(1)
    with django_assert_num_queries(12):
        board(admin, "30d")
    fill(12)
    with django_assert_num_queries(12):
        board(admin, "30d")
