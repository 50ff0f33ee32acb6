"""The breaker under every order of events, on both backends side by side: what memory says, Redis says too."""

import asyncio
import uuid
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from chat.resilience.backends.base import Admission, Backend, BreakerRule, BreakerView
from chat.resilience.backends.memory import MemoryBackend
from chat.resilience.backends.redis import RedisBackend, connect
from tests.resilience.conftest import FakeTime

KEY = "provider:1"
# A lease that outlasts every test: only one of the two backends has leases.
LEASE = 1e6


class BreakerStates(RuleBasedStateMachine):
    redis_url: str | None = None
    calls = Bundle("calls")

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.time = FakeTime()
        self.backends: list[Backend] = [MemoryBackend(self.time)]
        self.client: Any = None
        if self.redis_url:
            self.client = connect(self.redis_url)
            prefix = f"states:{uuid.uuid4().hex}:"
            self.backends.append(RedisBackend(self.client, prefix=prefix, clock=self.time))
        self.rule = BreakerRule(failures=3, open_seconds=30, probes=2, successes=2)
        self.made = 0
        self.probes_out: set[str] = set()

    def both(self, method: str, *arguments: Any, **more: Any) -> Any:
        """Asks all backends; they must agree."""
        answers = [self.runner.run(getattr(backend, method)(*arguments, **more)) for backend in self.backends]
        assert all(answer == answers[0] for answer in answers), answers
        return answers[0]

    def view(self) -> BreakerView:
        return self.both("breakers").get(KEY, BreakerView())

    @rule(target=calls)
    def enter(self) -> Any:
        self.made += 1
        holder = f"call-{self.made}"
        before = self.view()
        admission: Admission = self.both("breaker_admit", KEY, self.rule, holder=holder, lease_seconds=LEASE)
        if before.state == "open" and before.open_seconds > 0:
            assert not admission.granted
        if before.state in ("closed", "forced_closed"):
            assert admission.granted
            assert not admission.probe
        if before.state == "forced_open":
            assert not admission.granted
        if not admission.granted:
            return multiple()
        if admission.probe:
            self.probes_out.add(holder)
        return holder, admission

    @rule(call=consumes(calls), outcome=st.sampled_from(["success", "failure", "neutral"]))
    def leave(self, call: tuple[str, Admission], outcome: str) -> None:
        holder, admission = call
        before = self.view()
        state = self.both(
            "breaker_record", KEY, self.rule, outcome, generation=admission.generation, holder=holder
        )
        self.probes_out.discard(holder)
        if outcome == "neutral":
            assert state == before.state
        if before.state == "closed":
            # By as many failures in a row as the rule says, never by fewer.
            assert state == "closed" or before.failures == self.rule.failures - 1
        if before.state.startswith("forced"):
            assert state == before.state
        if before.state == "open":
            assert state == "open"

    @rule(state=st.sampled_from(["forced_open", "forced_closed", None]))
    def force(self, state: Any) -> None:
        self.both("breaker_force", KEY, state)
        assert self.view().state == (state or "closed")

    @rule(seconds=st.sampled_from([0.5, 10.0, 29.5, 30.0, 400.0]))
    def wait(self, seconds: float) -> None:
        self.time.now += seconds

    @invariant()
    def there_are_never_more_probes_than_allowed(self) -> None:
        assert len(self.probes_out) <= self.rule.probes
        assert self.both("in_use", f"probe:{KEY}") == len(self.probes_out)

    @invariant()
    def counts_stay_below_what_changes_the_state(self) -> None:
        view = self.view()
        assert view.failures < self.rule.failures
        assert view.successes < self.rule.successes

    def teardown(self) -> None:
        if self.client is not None:
            self.runner.run(self.client.aclose())
        self.runner.close()


def run(examples: int) -> settings:
    return settings(
        max_examples=examples,
        stateful_step_count=40,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )


def test_in_memory():
    run_state_machine_as_test(BreakerStates, settings=run(100))


def test_redis_agrees_with_memory(redis_url: str):
    class OverBoth(BreakerStates):
        pass

    OverBoth.redis_url = redis_url
    run_state_machine_as_test(OverBoth, settings=run(15))


@pytest.mark.parametrize("wrong", [{"failures": 0}, {"successes": 0}, {"open_seconds": 0}])
def test_a_rule_that_makes_no_sense_is_refused(wrong: dict[str, Any]):
    with pytest.raises(ValueError, match="above zero"):
        BreakerRule(**wrong)
