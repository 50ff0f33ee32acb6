import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.exceptions import ProviderAuth, ProviderCut, ProviderOverloaded, ProviderTimeout
from chat.resilience.retry import BudgetRule, RetryBudget, RetryPolicy, RetryRule
from tests.resilience.conftest import FakeTime


def longest(low: float, high: float) -> float:
    assert low == 0.0
    return high


def policy(time: FakeTime, rule: RetryRule | None = None, always: int = 1000) -> RetryPolicy:
    return RetryPolicy(rule or RetryRule(), RetryBudget(BudgetRule(always=always), time), uniform=longest)


# --- the wait -------------------------------------------------------------------------------------


def test_the_jitter_is_full_from_half_a_second_and_doubles(time: FakeTime):
    made = policy(time)
    assert [made.decide(ProviderCut(), attempt) for attempt in (1, 2)] == [0.5, 1.0]


def test_the_jitter_is_capped(time: FakeTime):
    made = policy(time, RetryRule(attempts=100_000))
    assert [made.decide(ProviderCut(), attempt) for attempt in (6, 7, 20, 5000)] == [16.0, 20.0, 20.0, 20.0]


def test_there_are_three_attempts(time: FakeTime):
    assert policy(time).decide(ProviderCut(), 3) is None


@pytest.mark.parametrize("error", [ProviderAuth(), ProviderAuth(retry_after_seconds=1)])
def test_an_error_that_will_come_again_is_not_retried(time: FakeTime, error: ProviderAuth):
    assert policy(time).decide(error, 1) is None


def test_a_deadline_that_ran_out_is_retried(time: FakeTime):
    assert policy(time).decide(ProviderTimeout("first_token"), 1) is not None


def test_retry_after_is_waited_for_and_never_shortened(time: FakeTime):
    wait = policy(time).decide(ProviderOverloaded(retry_after_seconds=60), 1)
    assert wait == 60.5


def test_a_retry_after_beyond_a_minute_is_the_end(time: FakeTime):
    assert policy(time).decide(ProviderOverloaded(retry_after_seconds=60.1), 1) is None


def test_a_retry_that_is_not_made_costs_no_budget(time: FakeTime):
    made = policy(time, always=1)
    made.decide(ProviderAuth(), 1)
    made.decide(ProviderCut(), 3)
    made.decide(ProviderOverloaded(retry_after_seconds=99), 1)
    assert made.decide(ProviderCut(), 1) is not None
    assert made.decide(ProviderCut(), 1) is None


# --- the budget -----------------------------------------------------------------------------------


def test_ten_retries_a_minute_are_always_allowed(time: FakeTime):
    budget = RetryBudget(BudgetRule(), time)
    assert [budget.take() for _ in range(11)] == [True] * 10 + [False]


def test_beyond_them_one_call_in_ten_may_be_a_retry(time: FakeTime):
    budget = RetryBudget(BudgetRule(), time)
    for _ in range(300):
        budget.note_call()
    assert [budget.take() for _ in range(31)] == [True] * 30 + [False]


def test_the_budget_forgets_after_a_minute(time: FakeTime):
    budget = RetryBudget(BudgetRule(), time)
    while budget.take():
        pass
    time.now += 59
    assert not budget.take()
    time.now += 1
    assert budget.take()


def test_an_hour_of_silence_empties_the_window(time: FakeTime):
    budget = RetryBudget(BudgetRule(), time)
    for _ in range(300):
        budget.note_call()
    budget.take()
    time.now += 3600
    view = budget.view()
    assert (view.calls, view.retries, view.allowed) == (0, 0, 10)


def test_a_clock_that_steps_back_breaks_nothing(time: FakeTime):
    budget = RetryBudget(BudgetRule(), time)
    budget.note_call()
    time.now -= 100
    budget.note_call()
    assert budget.view().calls == 2


def test_a_thousand_runs_at_total_failure_are_at_most_1100_calls(time: FakeTime):
    made = RetryPolicy(RetryRule(), budget := RetryBudget(BudgetRule(), time), uniform=longest)
    calls = 0
    for _ in range(1000):
        time.now += 0.1
        budget.note_call()
        attempt = 1
        while made.decide(ProviderCut(), attempt) is not None:
            attempt += 1
        calls += attempt
    assert 1000 < calls <= 1100


@given(steps=st.lists(st.tuples(st.floats(0, 30), st.integers(0, 60), st.integers(0, 20)), max_size=60))
def test_in_no_minute_are_there_more_retries_than_allowed(steps: list[tuple[float, int, int]]):
    time = FakeTime()
    budget = RetryBudget(BudgetRule(), time)
    calls: list[int] = []
    retries: list[int] = []
    for pause, made, wanted in steps:
        time.now += pause
        second = int(time.now)
        for _ in range(made):
            budget.note_call()
            calls.append(second)
        for _ in range(wanted):
            recent = sum(at > second - 60 for at in calls)
            taken = sum(at > second - 60 for at in retries)
            assert budget.take() is (taken < max(10, recent // 10))
            if taken < max(10, recent // 10):
                retries.append(second)
