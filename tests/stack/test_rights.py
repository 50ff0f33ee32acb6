"""Where PostgreSQL keeps its files."""

from pathlib import Path

from project.stack import rights


def test_our_own_user_needs_nothing(tmp_path: Path):
    folder = rights.room_for({}, tmp_path / "stack" / "postgres", within=tmp_path)
    assert folder == tmp_path / "stack" / "postgres"
    assert folder.stat().st_mode & 0o777 == 0o700
