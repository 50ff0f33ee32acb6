"""Six processes that write at once (P6, in short; `python -m tests.chaos.writers` is the long one)."""

from pathlib import Path

import pytest

from tests import many_machines
from tests.chaos.writers import together
from tests.live import LiveSite
from tests.postgres import name_for

PREPARE = "from tests.chaos.writers import prepare; prepare()"


pytestmark = [pytest.mark.server, pytest.mark.both_columns]


def test_six_writers_never_meet_a_lock_that_is_held_too_long(tmp_path: Path, record_property):
    if (server := many_machines.server) is not None:
        server.make(name_for(tmp_path))
    site = LiveSite(tmp_path)
    site.manage("migrate", "-v0")
    site.manage("shell", "-v0", "-c", PREPARE)
    tally = together(6, 600, site.environment())
    record_property("p99_ms", round(tally.percentile(0.99) * 1000, 1))
    assert not tally.failures
    assert len(tally.seconds) == 600
