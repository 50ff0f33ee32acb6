"""Setting aside, settling, giving back; who is refused and in which words."""

import uuid
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from django.contrib.auth.models import Group
from django.db import transaction

from chat.exceptions import BudgetExceeded, QuotaExceeded
from chat.models import Quota, QuotaUse, Reservation
from chat.models.quotas import Kind
from chat.usage.known_quotas import KNOWN
from chat.usage.ledger import write_calls
from chat.usage.reservations import Want, release_stale, reserve, settle
from tests.factories import ModelCallFactory, RunFactory

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)


def quota(**columns):
    KNOWN.forget()
    return Quota.objects.create(**{"name": uuid.uuid4().hex, "currency": "USD"} | columns)


def want(user, run=None, *, cost=Decimal("0.5"), step=1):
    return Want(
        run=run.pk if run else uuid.uuid4(),
        step=step,
        epoch=1,
        user=user.pk,
        pseudonym=user.pseudonym,
        input_tokens=100,
        output_tokens=400,
        costs={"USD": cost},
    )


def running(user):
    return RunFactory.create(conversation__owner=user, status="running", epoch=1)


def billed(run, tokens=50, cost="0.01", **more):
    columns = {
        "id": uuid.uuid4(),
        "user_id": run.user_id,
        "pseudonym": run.user.pseudonym,
        "run_id": run.pk,
        "outcome": "completed",
        "started_at": NOW,
        "input_tokens": tokens,
        "output_tokens": 0,
        "usage_source": "reported",
        "cost": Decimal(cost),
        "currency": "USD",
        "provider": "demo",
        "model": "demo",
        "http_status": 200,
    }
    return write_calls([columns | more])


def use():
    return QuotaUse.objects.get()


def test_what_is_set_aside_counts(alice):
    quota(tokens_per_day=1000)
    reserve([want(alice)], now=NOW)
    reserve([want(alice)], now=NOW)
    assert use().reserved == 1000
    with pytest.raises(QuotaExceeded) as refused:
        reserve([want(alice)], now=NOW)
    assert str(refused.value) == (
        "Your limit of 1,000 tokens a day is used up. It begins anew on 2 December at 00:00 UTC."
    )
    assert refused.value.retry_after_seconds == 12 * 3600
    assert refused.value.resets_at == datetime(2026, 12, 2, tzinfo=UTC)


def test_money_is_refused_by_a_budget(alice):
    quota(money_per_month=Decimal(1))
    reserve([want(alice, cost=Decimal("0.7"))], now=NOW)
    with pytest.raises(
        BudgetExceeded, match=r"1.00 USD a month: 0.30 USD are left, and this may take up to 0.50 USD"
    ):
        reserve([want(alice)], now=NOW)


def test_what_can_never_fit_is_not_told_to_wait(alice):
    quota(tokens_per_day=10)
    with pytest.raises(QuotaExceeded) as refused:
        reserve([want(alice)], now=NOW)
    assert "anew" not in str(refused.value)


def test_each_has_a_figure_of_their_own(alice, bob):
    quota(tokens_per_day=500)
    reserve([want(alice)], now=NOW)
    reserve([want(bob)], now=NOW)
    assert QuotaUse.objects.filter(reserved=500).count() == 2


def test_one_person_is_bound(alice, bob):
    quota(binds="user", user=alice, tokens_per_day=0)
    reserve([want(bob)], now=NOW)
    with pytest.raises(QuotaExceeded):
        reserve([want(alice)], now=NOW)


def test_each_member_is_bound_and_nobody_else(alice, bob, mallory):
    group = Group.objects.create(name="guests")
    alice.groups.add(group)
    bob.groups.add(group)
    quota(binds="members", group=group, tokens_per_day=500)
    for who in (alice, bob, mallory, mallory):
        reserve([want(who)], now=NOW)
    with pytest.raises(QuotaExceeded, match="Your limit"):
        reserve([want(bob)], now=NOW)


def test_a_group_together_shares_one_figure(alice, bob):
    group = Group.objects.create(name="guests")
    alice.groups.add(group)
    bob.groups.add(group)
    quota(binds="group", group=group, tokens_per_day=500)
    reserve([want(alice)], now=NOW)
    with pytest.raises(QuotaExceeded, match="Your group's limit"):
        reserve([want(bob)], now=NOW)


def test_lanes_are_set_aside_for_together(alice):
    quota(tokens_per_day=999)
    with pytest.raises(QuotaExceeded):
        reserve([want(alice), want(alice)], now=NOW)


def test_where_nothing_is_configured_nobody_asks_the_database(alice, django_assert_num_queries):
    KNOWN.forget()
    KNOWN.any()
    with django_assert_num_queries(0):
        reserve([want(alice)], now=NOW, starts=True)
        settle(uuid.uuid4(), epoch=1, now=NOW)
        release_stale(now=NOW)


def test_what_was_not_used_is_free_again(alice):
    quota(tokens_per_day=1000)
    run = running(alice)
    reserve([want(alice, run)], now=NOW)
    billed(run, 70)
    settle(run.pk, epoch=1, now=NOW)
    assert (use().used, use().reserved, use().assumed) == (70, 0, 0)
    assert Reservation.objects.get().state == Reservation.State.SETTLED


def test_settling_twice_is_as_once(alice):
    quota(tokens_per_day=1000)
    run = running(alice)
    reserve([want(alice, run)], now=NOW)
    for _ in range(2):
        settle(run.pk, epoch=1, now=NOW)
    assert use().reserved == 0
    assert Reservation.objects.get().state == Reservation.State.RELEASED


def test_reserving_a_step_twice_is_as_once(alice):
    quota(tokens_per_day=1000)
    run = running(alice)
    for _ in range(2):
        reserve([want(alice, run, step=2)], now=NOW)
    assert use().reserved == 500


def test_an_answer_without_figures_counts_as_it_was_estimated(alice):
    quota(tokens_per_day=1000)
    run = running(alice)
    reserve([want(alice, run)], now=NOW)
    billed(run, None, output_tokens=None, usage_source="unknown", cost="0", currency="")
    settle(run.pk, epoch=1, now=NOW)
    assert (use().used, use().assumed, use().reserved) == (0, 500, 0)


def test_a_refusal_of_the_provider_costs_nothing(alice):
    quota(tokens_per_day=1000)
    run = running(alice)
    reserve([want(alice, run)], now=NOW)
    billed(
        run, None, output_tokens=None, usage_source="unknown", http_status=429, outcome="provider_overloaded"
    )
    settle(run.pk, epoch=1, now=NOW)
    assert use().taken == 0


def test_a_call_that_was_lost_before_anything_came_counts_as_read(alice):
    quota(tokens_per_day=1000)
    run = running(alice)
    reserve([want(alice, run)], now=NOW)
    billed(run, None, output_tokens=None, usage_source="unknown", http_status=None, outcome="lost")
    settle(run.pk, epoch=1, now=NOW)
    assert (use().assumed, use().reserved) == (100, 0)


def test_a_quota_made_in_the_middle_of_a_month_counts_what_the_month_has_cost(alice):
    call = ModelCallFactory.create(run=running(alice), started_at=NOW, cost=Decimal("0.9"), currency="USD")
    ModelCallFactory.create(run=call.run, attempt=2, started_at=NOW, cost=Decimal(5), currency="EUR")
    ModelCallFactory.create(
        run=call.run,
        attempt=3,
        started_at=datetime(2026, 11, 30, tzinfo=UTC),
        cost=Decimal(5),
        currency="USD",
    )
    quota(money_per_month=Decimal(1))
    with pytest.raises(BudgetExceeded, match=r"0.10 USD are left"):
        reserve([want(alice)], now=NOW)


def test_the_row_that_makes_a_use_is_not_counted_twice(alice):
    quota(tokens_per_day=1000)
    billed(running(alice), 70)
    billed(running(alice), 30)
    assert use().used == 100


def test_a_call_counts_for_the_day_on_which_it_began(alice):
    quota(tokens_per_day=1000)
    billed(running(alice), 70, started_at=datetime(2026, 11, 30, 23, 59, tzinfo=UTC))
    billed(running(alice), 30)
    assert list(QuotaUse.objects.order_by("starts").values_list("used", flat=True)) == [70, 30]


@pytest.mark.parametrize(
    "becomes",
    [{"epoch": 2}, {"status": "waiting"}, {"finished_at": NOW}],
    ids=["taken over", "parked", "ended"],
)
def test_what_nobody_gave_back_is_found(alice, becomes):
    quota(tokens_per_day=1000)
    run = running(alice)
    reserve([want(alice, run)], now=NOW)
    assert release_stale(now=NOW) == 0
    type(run).objects.filter(pk=run.pk).update(**becomes)
    assert release_stale(now=NOW) == 1
    assert use().taken == 0


def test_what_a_deleted_run_had_is_given_back(alice):
    quota(tokens_per_day=1000)
    run = running(alice)
    reserve([want(alice, run)], now=NOW)
    run.conversation.delete()
    assert release_stale(now=NOW) == 1
    assert use().taken == 0


def test_messages_a_minute_are_counted(alice):
    quota(messages_per_minute=2)
    for second in (0, 10):
        reserve([want(alice)], now=NOW.replace(second=second), starts=True)
    with pytest.raises(QuotaExceeded) as refused:
        reserve([want(alice)], now=NOW.replace(second=20), starts=True)
    assert str(refused.value) == "Your limit is 2 messages a minute. There is room again in 40 seconds."
    assert refused.value.retry_after_seconds == pytest.approx(40)
    reserve([want(alice)], now=NOW.replace(minute=1, second=1), starts=True)


def test_later_steps_are_no_messages(alice):
    quota(messages_per_minute=0)
    reserve([want(alice, step=2)], now=NOW)


def test_answers_at_once_are_counted(alice, bob):
    quota(runs_at_once=1)
    first = running(alice)
    reserve([want(alice, first)], now=NOW, starts=True)
    second = running(alice)
    with pytest.raises(QuotaExceeded, match="1 answer at once"), transaction.atomic():
        reserve([want(alice, second)], now=NOW, starts=True)
    reserve([want(bob, running(bob))], now=NOW, starts=True)
    assert not Reservation.objects.filter(run=second.pk).exists()
    type(first).objects.filter(pk=first.pk).update(status="waiting")
    reserve([want(alice, second)], now=NOW, starts=True)


def test_a_quota_that_is_not_in_force_is_counted_and_lets_everybody(alice):
    quota(tokens_per_day=10, enabled=False)
    reserve([want(alice)], now=NOW)
    billed(running(alice), 70)
    assert (use().kind, use().used) == (Kind.TOKENS_DAY, 70)
