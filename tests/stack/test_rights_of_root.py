"""PostgreSQL beside root: folders that another user has to get into. Collected for root alone (conftest.py)."""

import subprocess
from pathlib import Path

import pytest

from project.stack import rights


@pytest.fixture
def runner() -> dict[str, int]:
    return rights.as_whom()


def may_write(folder: Path, runner) -> bool:
    command = ["sh", "-c", f"touch {folder}/x"]
    return subprocess.run(command, check=False, capture_output=True, cwd="/", **runner).returncode == 0


def test_a_folder_of_ours_that_is_closed_is_opened_for_passing_through_and_no_more(tmp_path: Path, runner):
    top = Path(subprocess.check_output(["mktemp", "-d"], text=True).strip())
    try:
        folder = rights.room_for(runner, top / "stack" / "postgres", within=top)
        assert folder == top / "stack" / "postgres"
        assert may_write(folder, runner)
        assert not may_write(top, runner)
        assert top.stat().st_mode & 0o777 == 0o710
    finally:
        subprocess.run(["rm", "-rf", top], check=True)


def test_where_somebody_else_s_folder_is_closed_the_files_are_elsewhere(tmp_path: Path, runner, monkeypatch):
    above = Path(subprocess.check_output(["mktemp", "-d"], text=True).strip())
    elsewhere = Path(subprocess.check_output(["mktemp", "-d"], text=True).strip())
    elsewhere.chmod(0o755)
    monkeypatch.setattr(rights, "ELSEWHERE", elsewhere / "lectern")
    try:
        (above / "data").mkdir(mode=0o755)
        asked = above / "data" / "stack" / "postgres"
        folder = rights.room_for(runner, asked, within=above / "data")
        assert folder.is_relative_to(elsewhere)
        assert may_write(folder, runner)
        assert above.stat().st_mode & 0o777 == 0o700
        # The next start finds it again.
        assert asked.resolve() == folder
        assert rights.room_for(runner, asked, within=above / "data") == folder
    finally:
        subprocess.run(["rm", "-rf", above, elsewhere], check=True)
