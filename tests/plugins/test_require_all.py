"""The plugin that does not let tests be left out quietly."""

import subprocess
import sys
from pathlib import Path

SUITE = """
import pytest
def test_that_runs(): pass
@pytest.mark.skip(reason="no server here")
def test_that_does_not(): pass
@pytest.mark.xfail(reason="known", strict=True)
def test_that_fails_as_it_should(): assert False
"""
WHOLE_FILE = "import pytest\npytest.skip('no file here', allow_module_level=True)\n"
ROOT = Path(__file__).resolve().parents[2]


def run(folder: Path, suite: str, require_all: str) -> subprocess.CompletedProcess[str]:
    (folder / "test_it.py").write_text(suite)
    (folder / "pytest.ini").write_text("[pytest]\n")
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "tests.plugins.require_all", "-p", "no:django", str(folder)],
        cwd=ROOT,
        env={"PATH": "", "PYTHONPATH": str(ROOT), "REQUIRE_ALL": require_all},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_skip_is_said_loudly_at_the_end(tmp_path: Path):
    done = run(tmp_path, SUITE, "")
    assert done.returncode == 0
    assert "NOT RUN: 1 tests were skipped" in done.stdout
    assert "1 × no server here" in done.stdout


def test_with_require_all_a_skip_is_a_failure(tmp_path: Path):
    done = run(tmp_path, SUITE, "1")
    assert done.returncode == 1
    assert "REQUIRE_ALL: skipped because no server here" in done.stdout
    assert "1 passed, 1 xfailed, 1 error" in done.stdout


def test_with_require_all_a_skipped_file_is_a_failure(tmp_path: Path):
    assert run(tmp_path, WHOLE_FILE, "").returncode in {0, 5}
    assert run(tmp_path, WHOLE_FILE, "1").returncode not in {0, 5}
