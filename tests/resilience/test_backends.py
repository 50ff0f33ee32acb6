"""One suite over all backends: breakers in test_circuit_breaker.py, buckets and places here."""

import pytest

from chat.resilience.backends.base import Backend, BreakerRule, Bucket, BucketView, Learned
from tests.resilience.conftest import FakeTime

LEASE = 9.0


def bucket(amount: float = 1, key: str = "p", per_second: float | None = 10, burst: float = 5) -> Bucket:
    return Bucket(key, per_second, burst, amount)


async def level(backend: Backend, asked: Bucket) -> BucketView:
    [view] = await backend.levels([asked])
    return view


# --- buckets --------------------------------------------------------------------------------------


async def test_a_bucket_gives_its_burst_and_then_its_rate(backend: Backend, time: FakeTime):
    assert [await backend.take([bucket()]) for _ in range(5)] == [0.0] * 5
    assert await backend.take([bucket()]) == pytest.approx(0.1)
    time.now += 0.1
    assert await backend.take([bucket()]) == 0.0
    assert await backend.take([bucket()]) == pytest.approx(0.1)


async def test_a_bucket_never_holds_more_than_its_burst(backend: Backend, time: FakeTime):
    await backend.take([bucket()])
    time.now += 1000
    assert await backend.take([bucket(5)]) == 0.0
    assert await backend.take([bucket()]) > 0


async def test_from_several_buckets_all_is_taken_or_nothing(backend: Backend):
    roomy, tight = bucket(key="roomy"), bucket(key="tight", per_second=1, burst=1)
    assert await backend.take([roomy, tight]) == 0.0
    assert await backend.take([roomy, tight]) == pytest.approx(1.0)
    assert (await level(backend, roomy)).tokens == pytest.approx(4)


async def test_more_than_a_bucket_can_hold_waits_for_a_full_one(backend: Backend, time: FakeTime):
    await backend.take([bucket()])
    assert await backend.take([bucket(1000)]) == pytest.approx(0.1)
    time.now += 0.1
    assert await backend.take([bucket(1000)]) == 0.0


async def test_a_bucket_without_a_limit_lets_everything_pass(backend: Backend):
    assert [await backend.take([bucket(per_second=None)]) for _ in range(50)] == [0.0] * 50
    assert await level(backend, bucket(per_second=None)) == BucketView()


async def test_a_learned_limit_holds_where_none_was_given(backend: Backend, time: FakeTime):
    await backend.learn([Learned("p", capacity=60, per_second=1, remaining=1)])
    assert await backend.take([bucket(per_second=None)]) == 0.0
    assert await backend.take([bucket(per_second=None)]) == pytest.approx(1.0)
    time.now += 1
    assert await backend.take([bucket(per_second=None)]) == 0.0


async def test_of_given_and_learned_the_stricter_holds(backend: Backend):
    await backend.learn([Learned("p", capacity=3, per_second=100)])
    view = await level(backend, bucket())
    assert (view.capacity, view.per_second) == (3, 10)


async def test_what_others_have_used_up_is_learned_but_never_given_back(backend: Backend):
    await backend.learn([Learned("p", capacity=60, per_second=1, remaining=10)])
    await backend.learn([Learned("p", capacity=60, per_second=1, remaining=40)])
    assert (await level(backend, bucket(per_second=None))).tokens == pytest.approx(10)


async def test_what_came_back_before_the_last_word_does_not_come_back_twice(backend: Backend, time: FakeTime):
    await backend.learn([Learned("p", capacity=60, per_second=1, remaining=0)])
    time.now += 10
    await backend.learn([Learned("p", capacity=60, per_second=1, remaining=0)])
    assert (await level(backend, bucket(per_second=None))).tokens == pytest.approx(0)


async def test_a_learned_limit_lets_a_call_through_each_minute_to_learn_anew(
    backend: Backend, time: FakeTime
):
    asked = bucket(500, per_second=None)
    await backend.learn([Learned("p", capacity=1000, per_second=1000 / 86_400, remaining=0)])
    time.now += 1
    for _ in range(2):
        assert await backend.take([asked]) == pytest.approx(59)
        time.now += 59
        assert await backend.take([asked]) == 0.0
        assert (await level(backend, asked)).tokens == 0
        await backend.learn([Learned("p", capacity=1000, per_second=1000 / 86_400, remaining=0)])
        time.now += 1
    await backend.learn([Learned("p", capacity=1000, per_second=100)])
    assert await backend.take([asked]) == pytest.approx(4, abs=0.1)


async def test_a_pause_and_a_given_limit_are_not_cut_short(backend: Backend, time: FakeTime):
    given = bucket(2, per_second=0.01, burst=2)
    assert await backend.take([given]) == 0.0
    await backend.learn([Learned("p", capacity=1000, per_second=0.001, remaining=0)])
    time.now += 100
    assert await backend.take([given]) == pytest.approx(100)
    await backend.hold_off("p", 400)
    time.now += 300
    assert await backend.take([given]) == pytest.approx(100)
    time.now += 100
    assert await backend.take([given]) == 0.0


async def test_several_limits_are_learned_at_once(backend: Backend):
    await backend.learn([Learned("requests", 60, 1, 2), Learned("tokens", 9000, 150)])
    assert (await level(backend, bucket(key="requests", per_second=None))).tokens == pytest.approx(2)
    assert (await level(backend, bucket(key="tokens", per_second=None))).tokens == pytest.approx(9000)


async def test_nothing_is_taken_while_the_provider_wants_to_be_left_alone(backend: Backend, time: FakeTime):
    await backend.hold_off("p", 7)
    assert await backend.take([bucket(per_second=None)]) == pytest.approx(7)
    assert await backend.take([bucket(key="other"), bucket()]) == pytest.approx(7)
    time.now += 7
    assert await backend.take([bucket()]) == 0.0


async def test_a_shorter_pause_does_not_end_a_longer_one(backend: Backend):
    await backend.hold_off("p", 20)
    await backend.hold_off("p", 1)
    assert (await level(backend, bucket())).held_off_seconds == pytest.approx(20)


async def test_a_clock_that_steps_back_takes_nothing_away(backend: Backend, time: FakeTime):
    await backend.take([bucket()])
    time.now -= 100
    assert await backend.take([bucket(4)]) == 0.0


async def test_staff_see_of_several_buckets_what_is_left_and_when_all_of_it_is_back(
    backend: Backend, time: FakeTime
):
    await backend.take([bucket(3)])
    await backend.learn([Learned("learned", capacity=60, per_second=2, remaining=10)])
    await backend.hold_off("unknown", 7)
    time.now += 0.1
    given, learned, unknown = await backend.levels(
        [bucket(), bucket(key="learned", per_second=None), bucket(key="unknown", per_second=None)]
    )
    assert given.tokens == pytest.approx(3)
    assert given.full_in_seconds == pytest.approx(0.2)
    assert learned.full_in_seconds == pytest.approx(24.9)
    assert (given.learned, learned.learned, unknown.learned) == (False, True, False)
    assert unknown.held_off_seconds == pytest.approx(6.9)
    assert unknown.full_in_seconds is None


async def test_of_no_buckets_there_are_no_levels(backend: Backend):
    assert await backend.levels([]) == []


@pytest.mark.parametrize(("per_second", "burst"), [(0.0, 5.0), (-1.0, 5.0), (10.0, 0.0)])
def test_a_bucket_that_never_fills_is_refused(per_second: float, burst: float):
    with pytest.raises(ValueError, match="above zero"):
        bucket(per_second=per_second, burst=burst)


# --- places ---------------------------------------------------------------------------------------


async def acquire(backend: Backend, holder: str, most: int = 2) -> bool:
    return await backend.acquire("user:1", most, holder=holder, lease_seconds=LEASE)


async def test_there_are_only_so_many_places(backend: Backend):
    assert [await acquire(backend, holder) for holder in "abc"] == [True, True, False]
    assert await backend.in_use("user:1") == 2


async def test_a_place_given_back_is_free(backend: Backend):
    for holder in "ab":
        await acquire(backend, holder)
    await backend.release("user:1", "a")
    assert await acquire(backend, "c")


async def test_giving_back_twice_or_what_one_never_had_frees_nothing(backend: Backend):
    await acquire(backend, "a")
    await backend.release("user:1", "stranger")
    await backend.release("user:2", "a")
    assert await backend.in_use("user:1") == 1


async def test_no_places_at_all_is_a_limit_too(backend: Backend):
    assert not await acquire(backend, "a", most=0)


async def test_a_limit_that_was_lowered_lets_the_running_ones_run(backend: Backend):
    for holder in "ab":
        await acquire(backend, holder)
    assert not await acquire(backend, "c", most=1)
    assert await backend.in_use("user:1") == 2


async def test_a_place_that_is_not_renewed_is_free_again_where_processes_share(
    backend: Backend, time: FakeTime
):
    await acquire(backend, "killed", most=1)
    time.now += LEASE - 0.1
    assert not await acquire(backend, "next", most=1)
    time.now += 0.2
    assert await acquire(backend, "next", most=1) is backend.shared


async def test_a_renewed_place_stays(backend: Backend, time: FakeTime):
    await acquire(backend, "a", most=1)
    for _ in range(4):
        time.now += LEASE / 3
        await backend.renew([("user:1", "a")], lease_seconds=LEASE)
    assert not await acquire(backend, "b", most=1)
    assert await backend.in_use("user:1") == 1


async def test_a_lost_place_is_counted_again_with_its_renewal(backend: Backend):
    await backend.renew([("user:1", "a"), ("provider:1", "a")], lease_seconds=LEASE)
    assert await backend.in_use("user:1") == await backend.in_use("provider:1") == 1


async def test_staff_see_who_holds_the_most_places(backend: Backend):
    for key, holders in (("user:a", "1"), ("user:b", "23"), ("user:c", "45"), ("provider:p", "678")):
        for holder in holders:
            await backend.acquire(key, 9, holder=holder, lease_seconds=LEASE)
    await backend.release("user:a", "1")
    assert await backend.busiest("user:", 10) == [("user:b", 2), ("user:c", 2)]
    assert await backend.busiest("user:", 1) == [("user:b", 2)]
    assert await backend.busiest("provider:", 10) == [("provider:p", 3)]


async def test_who_renews_is_still_seen(backend: Backend, time: FakeTime):
    await acquire(backend, "a")
    time.now += LEASE - 1
    await backend.renew([("user:1", "a")], lease_seconds=LEASE)
    time.now += LEASE - 1
    assert await backend.busiest("user:", 10) == [("user:1", 1)]


# --- breakers as staff see them ---------------------------------------------------------------------


async def fail(backend: Backend, key: str) -> None:
    await backend.breaker_record(key, BreakerRule(failures=9), "failure", generation=0, holder="a")


async def test_forced_breakers_are_listed_first_then_the_latest(backend: Backend, time: FakeTime):
    for key in ("host:a", "host:b", "host:c"):
        time.now += 1
        await fail(backend, key)
    time.now += 1
    await backend.breaker_force("host:forced", "forced_open")
    time.now += 1
    await fail(backend, "host:a")
    assert list(await backend.breakers()) == ["host:forced", "host:a", "host:c", "host:b"]


async def test_beyond_so_many_the_oldest_are_forgotten_but_none_that_staff_have_forced(
    backend: Backend, time: FakeTime, monkeypatch: pytest.MonkeyPatch
):
    for name in ("memory", "redis"):
        monkeypatch.setattr(f"chat.resilience.backends.{name}.MOST_KEPT", 3)
    await backend.breaker_force("host:forced", "forced_open")
    for key in ("host:a", "host:b", "host:c"):
        time.now += 1
        await fail(backend, key)
    assert list(await backend.breakers()) == ["host:forced", "host:c", "host:b"]
    assert (await backend.breakers())["host:c"].failures == 1
    await fail(backend, "host:a")
    assert (await backend.breakers())["host:a"].failures == 1


async def test_only_so_many_breakers_are_listed(
    backend: Backend, time: FakeTime, monkeypatch: pytest.MonkeyPatch
):
    for name in ("memory", "redis"):
        monkeypatch.setattr(f"chat.resilience.backends.{name}.MOST_LISTED", 1)
    for key in ("host:a", "host:b"):
        time.now += 1
        await fail(backend, key)
    assert list(await backend.breakers()) == ["host:b"]
