"""A supervisor that was killed: what becomes of its processes."""

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from project.stack.child import living_leftovers
from project.stack.identity import birth_of
from project.stack.leftovers import end_leftovers
from tests.stack.toys import lines, pid_of, until

ROOT = Path(__file__).resolve().parents[2]

SUPERVISOR = """
import asyncio, sys
from pathlib import Path
from tests.stack.toys import LIVE, STUBBORN, toy
from project.stack.supervisor import Supervisor

async def main():
    folder = Path(sys.argv[1])
    supervisor = Supervisor([toy("web-1", folder), toy("redis", folder, STUBBORN)], folder, print)
    await supervisor.start()
    await supervisor.wait()

asyncio.run(main())
"""


@pytest.fixture
def killed(tmp_path: Path):
    """The folder of a supervisor that was killed while its two parts ran."""
    process = subprocess.Popen([sys.executable, "-c", SUPERVISOR, str(tmp_path)], cwd=ROOT)
    begun: set[int] = set()
    yield tmp_path, process, begun
    process.kill()
    process.wait()
    for pid in begun:
        # Each part leads a group of its own; one that has ended is gone.
        with suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel of Linux alone tells children")
async def test_the_parts_are_asked_to_end_when_their_supervisor_is_killed(killed):
    folder, process, begun = killed
    await until(lambda: len(lines(folder / "begun")) == len(living_leftovers(folder)) == 2)
    begun.update(living_leftovers(folder).values())
    process.kill()
    process.wait()
    await until(lambda: lines(folder / "ended") == ["web-1"])


async def test_the_next_start_ends_what_is_left(killed):
    folder, process, begun = killed
    await until(lambda: len(lines(folder / "begun")) == len(living_leftovers(folder)) == 2)
    begun.update(living_leftovers(folder).values())
    redis = pid_of("redis", folder)
    process.kill()
    process.wait()
    await until(
        lambda: list(living_leftovers(folder)) == ["redis"]
    )  # it does not listen to the kernel's signal
    said: list[str] = []

    end_leftovers(folder, said.append, grace_seconds=0.2)

    assert said == ["An earlier stack was killed. Ending what it left: redis …"]
    assert not birth_of(redis)
    assert list(folder.glob("*.pid")) == []


def test_a_stranger_who_was_given_the_pid_is_left_alone(tmp_path: Path):
    stranger = subprocess.Popen(["sleep", "60"])
    try:
        births = {"web-1": [stranger.pid, "somebody who began earlier"], "web-2": [stranger.pid, ""]}
        (tmp_path / "processes.json").write_text(json.dumps(births))
        (tmp_path / "web-1.pid").write_text(f"{stranger.pid}\n")
        end_leftovers(tmp_path, print, grace_seconds=0.1)
        assert stranger.poll() is None
        assert not (tmp_path / "web-1.pid").exists()
    finally:
        stranger.kill()
        stranger.wait()


def test_a_record_that_cannot_be_read_stops_nothing(tmp_path: Path):
    (tmp_path / "processes.json").write_text("[1, 2")
    end_leftovers(tmp_path, print)
    assert not (tmp_path / "processes.json").exists()
