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
