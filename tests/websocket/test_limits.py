from chat.websocket.limits import Bucket, Credit


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


def test_a_bucket_gives_a_minutes_worth_at_once_and_then_no_more():
    bucket = Bucket(60, Clock())
    assert [bucket.take() for _ in range(61)] == [True] * 60 + [False]


def test_a_bucket_fills_with_time_but_never_above_its_size():
    clock = Clock()
    bucket = Bucket(60, clock)
    for _ in range(60):
        bucket.take()
    clock.now += 2.5
    assert [bucket.take() for _ in range(3)] == [True, True, False]
    clock.now += 10_000
    assert [bucket.take() for _ in range(61)] == [True] * 60 + [False]


def test_credit_ends_at_its_number_of_events():
    credit = Credit(3, 1000, Clock())
    for seq in range(3):
        assert credit.fits(1)
        credit.spend("r", (1, seq), 1)
    assert not credit.fits(1)
    assert credit.room == 0


def test_credit_ends_at_its_bytes():
    credit = Credit(100, 1000, Clock())
    credit.spend("r", (1, 1), 900)
    assert not credit.fits(101)
    assert credit.fits(100)


def test_a_single_larger_event_goes_alone():
    credit = Credit(100, 1000, Clock())
    assert credit.fits(5000)
    credit.spend("r", (1, 1), 5000)
    assert not credit.fits(1)


def test_an_ack_pays_for_everything_up_to_its_cursor_and_for_its_run_only():
    credit = Credit(4, 1000, Clock())
    for run, seq in (("a", 1), ("a", 2), ("a", 3), ("b", 1)):
        credit.spend(run, (1, seq), 100)
    assert credit.acknowledge("a", (1, 2))
    assert credit.room == 2
    assert not credit.acknowledge("c", (1, 2))
    assert not credit.acknowledge("a", (1, 2))


def test_an_ack_of_a_later_epoch_pays_for_the_earlier_one():
    credit = Credit(2, 1000, Clock())
    credit.spend("a", (1, 9), 1)
    credit.spend("a", (2, 1), 1)
    assert credit.acknowledge("a", (2, 1))
    assert credit.room == 2


def test_a_debtor_is_overdue_only_while_something_waits():
    clock = Clock()
    credit = Credit(1, 1000, clock)
    credit.spend("a", (1, 1), 1)
    clock.now += 100
    assert not credit.overdue(15)
    credit.blocked()
    clock.now += 14
    credit.blocked()
    assert not credit.overdue(15)
    clock.now += 2
    assert credit.overdue(15)
    credit.acknowledge("a", (1, 1))
    assert not credit.overdue(15)


def test_what_is_no_longer_followed_is_no_longer_owed():
    credit = Credit(1, 1000, Clock())
    credit.spend("a", (1, 1), 1)
    credit.forget("a")
    assert credit.fits(1)


def test_an_ack_of_a_snapshot_that_goes_back_pays_for_all_before_it():
    credit = Credit(3, 1000, Clock())
    for seq in (50, 40, 41):
        credit.spend("r", (1, seq), 1)
    assert credit.acknowledge("r", (1, 41))
    assert credit.room == 3
