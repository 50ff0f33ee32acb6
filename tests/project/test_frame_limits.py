"""How many frames without a message are too many."""

from project.servers.frame_limits import CONTROL_SECONDS, MAX_CONTROL_FRAMES, MAX_FRAGMENTS, FrameLimits


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_minute_of_pings_a_second_is_fine():
    clock = Clock()
    limits = FrameLimits(clock)
    for _ in range(60):
        assert limits.control_frame()
        clock.now += 1


def test_more_control_frames_than_the_bound_are_too_many_until_the_time_is_over():
    clock = Clock()
    limits = FrameLimits(clock)
    assert all(limits.control_frame() for _ in range(MAX_CONTROL_FRAMES))
    clock.now += CONTROL_SECONDS / 2
    assert not limits.control_frame()
    clock.now += CONTROL_SECONDS / 2
    assert limits.control_frame()


def test_fragments_are_counted_by_message():
    limits = FrameLimits(Clock())
    for _ in range(2):
        limits.begin_message()
        assert all(limits.fragment() for _ in range(MAX_FRAGMENTS))
        assert not limits.fragment()
