"""Two sessions in one command."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.__main__ import worst

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("codes", "code"),
    [
        ([0, 0], 0),
        ([0, 1], 1),
        ([1, 0], 1),
        ([0, 5], 0),  # nothing that was asked for depends on the database
        ([5, 0], 0),
        ([5, 5], 5),
        ([2], 2),
        ([0, -9], 3),
    ],
)
def test_the_worse_session_decides(codes: list[int], code: int):
    assert worst(codes) == code


def run_without_postgres(folder: Path, require_all: str) -> subprocess.CompletedProcess[str]:
    """With nobody to be found on the PATH, and wheels and Debian's folder out of sight."""
    program = (
        "import sys; from tests import postgres; postgres.binaries = lambda: None;"
        "from tests.many_machines import main; sys.exit(main(['--version']))"
    )
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={
            "PATH": os.environ["PATH"],
            "REQUIRE_ALL": require_all,
            "TEST_CLOSING_LINE": str(folder / "line"),
        },
        capture_output=True,
        text=True,
        check=False,
    )


def test_without_a_server_the_session_is_left_out_loudly(tmp_path: Path):
    done = run_without_postgres(tmp_path, "")
    assert done.returncode == 0
    assert "!!! NOT RUN on PostgreSQL: there is no PostgreSQL: set TEST_DATABASE_URL" in done.stdout
    assert (tmp_path / "line").read_text().startswith("NOT RUN")


def test_with_require_all_that_is_a_failure(tmp_path: Path):
    assert run_without_postgres(tmp_path, "1").returncode == 1


def run_without_redis(require_all: str) -> subprocess.CompletedProcess[str]:
    """A test that needs one, where neither the PATH nor Debian's folder nor a wheel has any."""
    test = "tests/events/test_redis_log.py::test_a_claim_stands_in_the_stream_before_anything_is_told"
    words = ["-q", "-p", "no:cacheprovider", "-p", "tests.plugins.require_all", test]
    quiet = ["-W", "ignore::pytest.PytestAssertRewriteWarning"]
    program = (
        "import sys, pytest; from project.stack import binaries; binaries.REDIS_PLACES.clear();"
        f"sys.exit(pytest.main({quiet + words!r}))"
    )
    environment = {name: value for name, value in os.environ.items() if name != "TEST_REDIS_URL"}
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env=environment | {"REQUIRE_ALL": require_all},
        capture_output=True,
        text=True,
        check=False,
    )


def test_without_a_redis_its_tests_are_left_out_loudly():
    done = run_without_redis("")
    assert done.returncode == 0, done.stdout
    assert "NOT RUN: 1 tests were skipped" in done.stdout
    assert "there is no Redis: set TEST_REDIS_URL, or install redis-server" in done.stdout


def test_with_require_all_a_missing_redis_is_a_failure():
    done = run_without_redis("1")
    assert done.returncode == 1
    assert "REQUIRE_ALL: skipped because there is no Redis" in done.stdout
