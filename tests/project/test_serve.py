"""`manage.py serve` on the product itself: what a person at a terminal sees."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.server

ROOT = Path(__file__).resolve().parents[2]


def refusal(folder: Path, **environment: str) -> list[str]:
    """What `serve` prints when it refuses to start."""
    done = subprocess.run(
        [sys.executable, "manage.py", "serve", "--port", "0"],
        cwd=ROOT,
        env={**os.environ, "DATA_DIR": str(folder), **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert done.stdout == ""
    return done.stderr.splitlines()


def test_a_bad_setting_is_named_in_one_line(tmp_path: Path):
    (line,) = refusal(tmp_path, IDLE_SECONDS="soon")
    assert line.startswith("Bad setting IDLE_SECONDS='soon': expected a number of seconds")


def test_settings_that_do_not_go_together_are_named_in_one_line(tmp_path: Path):
    (line,) = refusal(tmp_path, LEASE_SECONDS="1", HEARTBEAT_SECONDS="1")
    assert line.startswith("LEASE_SECONDS must be at least three times HEARTBEAT_SECONDS")


def test_an_address_of_redis_that_is_none_is_named_without_its_password(tmp_path: Path):
    (line,) = refusal(tmp_path, REDIS_URL="http://:pass/word@127.0.0.1/0")
    assert line.startswith(
        "Bad setting REDIS_URL='http://…@127.0.0.1/0': expected a URL starting with redis://"
    )
    (line,) = refusal(tmp_path, REDIS_URL="redis://:password@127.0.0.1/0?socket_timeout=soon")
    assert line.startswith("REDIS_URL cannot be read:")
    assert "password" not in line


def test_a_data_folder_that_cannot_be_made_is_named_in_one_line(tmp_path: Path):
    (tmp_path / "file").write_text("")
    (line,) = refusal(tmp_path / "file" / "data")
    assert line.startswith("Bad setting DATA_DIR=")


def test_a_database_that_does_not_answer_is_said_in_one_line(tmp_path: Path):
    (line,) = refusal(tmp_path, DATABASE_URL="postgres://nobody@127.0.0.1:9/nothing?connect_timeout=1")
    assert line.startswith("The database cannot be used:")


def test_a_database_file_that_is_none_is_said_in_one_line(tmp_path: Path):
    (tmp_path / "db.sqlite3").write_bytes(b"not a database, however you look at it" * 100)
    (line,) = refusal(tmp_path)
    assert line.startswith("The database cannot be used:")


def printed(folder: Path, *words: str, **environment: str) -> str:
    """What `serve` prints on an empty folder until it is ready."""
    process = subprocess.Popen(
        [sys.executable, "manage.py", "serve", "--port", "0", *words],
        cwd=ROOT,
        env={**os.environ, "DATA_DIR": str(folder), "DATABASE_URL": "", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if " is ready at " in line:
            process.send_signal(signal.SIGINT)
    process.stdout.close()
    assert process.wait(30) == 0, lines
    return "".join(lines)


def test_the_set_up_link_leads_to_the_public_address(tmp_path: Path):
    text = printed(tmp_path, PUBLIC_URL="https://chat.example.org")
    assert re.search(r"here \(the link works once\): https://chat\.example\.org/accounts/setup/\S+/", text)
    assert re.search(r"is ready at http://127\.0\.0\.1:\d+/", text)


def test_one_of_many_processes_prints_no_link(tmp_path: Path):
    assert "link" not in printed(tmp_path, "--no-setup-link")


def test_a_broker_whose_database_is_no_number_is_named_in_one_line(tmp_path: Path):
    (line,) = refusal(tmp_path, BROKER_URL="redis://:password@127.0.0.1/tasks")
    assert line == "BROKER_URL cannot be read: the database is a number, not 'tasks'. (chat.E004)"


@pytest.mark.parametrize("command", ["worker", "beat"])
def test_a_worker_of_its_own_is_refused_where_tasks_stay_in_their_process(tmp_path: Path, command: str):
    done = subprocess.run(
        [Path(sys.executable).with_name("celery"), "-A", "project", command],
        cwd=ROOT,
        env={**os.environ, "DATA_DIR": str(tmp_path), "REDIS_URL": "", "BROKER_URL": ""},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith(
        "Without REDIS_URL (or BROKER_URL) tasks stay in the process that sends them"
    )
    assert len(done.stderr.splitlines()) == 1
