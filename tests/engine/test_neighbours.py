"""Which processes of this machine are gone, as its kernel says."""

import os
import signal
import subprocess
import sys

import pytest

from chat.engine.neighbours import birth_of, gone, place_of

pytestmark = pytest.mark.skipif(not birth_of(os.getpid()), reason="this system does not tell of processes")


@pytest.fixture
def neighbour():
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield process
    process.kill()
    process.wait()


def test_a_living_process_is_not_gone(neighbour):
    assert gone([birth_of(neighbour.pid)], birth_of(os.getpid())) == []


def test_a_killed_process_is_gone_even_before_its_parent_has_looked(neighbour):
    birth = birth_of(neighbour.pid)
    neighbour.send_signal(signal.SIGKILL)
    os.waitid(os.P_PID, neighbour.pid, os.WEXITED | os.WNOWAIT)
    assert gone([birth], birth_of(os.getpid())) == [birth]
    neighbour.wait()
    assert gone([birth], birth_of(os.getpid())) == [birth]


def test_a_stopped_process_is_not_gone(neighbour):
    neighbour.send_signal(signal.SIGSTOP)
    assert gone([birth_of(neighbour.pid)], birth_of(os.getpid())) == []


def test_another_process_under_the_same_number_does_not_hide_that_the_first_is_gone(neighbour):
    place, pid, started = birth_of(neighbour.pid).split(":")
    earlier = f"{place}:{pid}:{int(started) - 1}"
    assert gone([earlier], birth_of(os.getpid())) == [earlier]


def test_of_another_machine_or_container_nothing_is_said():
    assert gone(["other/1:1:1"], birth_of(os.getpid())) == []
    assert gone(["", "garbage"], birth_of(os.getpid())) == []


def test_where_processes_are_hidden_nothing_is_said(tmp_path):
    ours = birth_of(os.getpid())
    place = place_of(ours)
    assert gone([f"{place}:7:1"], ours, tmp_path) == []
    (tmp_path / "1").mkdir()
    assert gone([f"{place}:7:1"], ours, tmp_path) == [f"{place}:7:1"]


def test_a_name_with_parentheses_and_blanks_is_read_past(tmp_path):
    (tmp_path / "1").mkdir()
    (tmp_path / "7").mkdir()
    fields = " ".join(["S", *["0"] * 18, "4711", "0"])
    (tmp_path / "7" / "stat").write_text(f"7 (a ) Z (b) {fields}\n")
    ours = birth_of(os.getpid())
    place = place_of(ours)
    assert gone([f"{place}:7:4711"], ours, tmp_path) == []
    assert gone([f"{place}:7:4712"], ours, tmp_path) == [f"{place}:7:4712"]


def test_a_system_without_proc_knows_no_births(tmp_path):
    assert birth_of(os.getpid(), tmp_path) == ""
    assert gone(["a:1:1"], "", tmp_path) == []
