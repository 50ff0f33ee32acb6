"""One suite over all backends: breakers in test_circuit_breaker.py, buckets and places here."""

import pytest

from chat.resilience.backends.base import Backend, Bucket, BucketView, Learned
from tests.resilience.conftest import FakeTime

LEASE = 9.0


def bucket(amount: float = 1, key: str = "p", per_second: float | None = 10, burst: float = 5) -> Bucket:
    return Bucket(key, per_second, burst, amount)


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
    assert (await backend.level(roomy)).tokens == pytest.approx(4)


async def test_more_than_a_bucket_can_hold_waits_for_a_full_one(backend: Backend, time: FakeTime):
    await backend.take([bucket()])
    assert await backend.take([bucket(1000)]) == pytest.approx(0.1)
    time.now += 0.1
    assert await backend.take([bucket(1000)]) == 0.0


async def test_a_bucket_without_a_limit_lets_everything_pass(backend: Backend):
    assert [await backend.take([bucket(per_second=None)]) for _ in range(50)] == [0.0] * 50
    assert await backend.level(bucket(per_second=None)) == BucketView()


async def test_a_learned_limit_holds_where_none_was_given(backend: Backend, time: FakeTime):
    await backend.learn([Learned("p", capacity=60, per_second=1, remaining=1)])
    assert await backend.take([bucket(per_second=None)]) == 0.0
    assert await backend.take([bucket(per_second=None)]) == pytest.approx(1.0)
    time.now += 1
    assert await backend.take([bucket(per_second=None)]) == 0.0


async def test_of_given_and_learned_the_stricter_holds(backend: Backend):
    await backend.learn([Learned("p", capacity=3, per_second=100)])
    view = await backend.level(bucket())
    assert (view.capacity, view.per_second) == (3, 10)


async def test_what_others_have_used_up_is_learned_but_never_given_back(backend: Backend):
    await backend.learn([Learned("p", capacity=60, per_second=1, remaining=10)])
    await backend.learn([Learned("p", capacity=60, per_second=1, remaining=40)])
    assert (await backend.level(bucket(per_second=None))).tokens == pytest.approx(10)


async def test_what_came_back_before_the_last_word_does_not_come_back_twice(backend: Backend, time: FakeTime):
    await backend.learn([Learned("p", capacity=60, per_second=1, remaining=0)])
    time.now += 10
    await backend.learn([Learned("p", capacity=60, per_second=1, remaining=0)])
    assert (await backend.level(bucket(per_second=None))).tokens == pytest.approx(0)


async def test_several_limits_are_learned_at_once(backend: Backend):
    await backend.learn([Learned("requests", 60, 1, 2), Learned("tokens", 9000, 150)])
    assert (await backend.level(bucket(key="requests", per_second=None))).tokens == pytest.approx(2)
    assert (await backend.level(bucket(key="tokens", per_second=None))).tokens == pytest.approx(9000)


async def test_nothing_is_taken_while_the_provider_wants_to_be_left_alone(backend: Backend, time: FakeTime):
    await backend.hold_off("p", 7)
    assert await backend.take([bucket(per_second=None)]) == pytest.approx(7)
    assert await backend.take([bucket(key="other"), bucket()]) == pytest.approx(7)
    time.now += 7
    assert await backend.take([bucket()]) == 0.0


async def test_a_shorter_pause_does_not_end_a_longer_one(backend: Backend):
    await backend.hold_off("p", 20)
    await backend.hold_off("p", 1)
    assert (await backend.level(bucket())).held_off_seconds == pytest.approx(20)


async def test_a_clock_that_steps_back_takes_nothing_away(backend: Backend, time: FakeTime):
    await backend.take([bucket()])
    time.now -= 100
    assert await backend.take([bucket(4)]) == 0.0


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
