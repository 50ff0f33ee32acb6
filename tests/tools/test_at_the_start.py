"""Tools of other packages, as a start of the real thing meets them."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from bench.processes import free_port
from tests.project.workers import CELERY

BOTH_PLACES = (
    "Two tools are called calculate: tools.builtin.calculate.calculate and backwards_tools.calculate"
)
ROOT = Path(__file__).parents[2]
MODULE = '''
from tools.base import tool


@tool(idempotent=True)
def {name}(text: str) -> str:
    """Says it backwards."""
    return text[::-1]
'''


@pytest.fixture
def package(tmp_path: Path):
    """An installed package with a tool of this name behind an entry point; starts a command beside it."""
    folder = tmp_path / "site"
    about = folder / "backwards-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: backwards\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[lectern.tools]\nbackwards = backwards_tools\n")

    def command(
        tool: str, *words: str, begin: Sequence[str] = (sys.executable, "manage.py")
    ) -> subprocess.CompletedProcess[str]:
        (folder / "backwards_tools.py").write_text(MODULE.format(name=tool))
        surroundings = {
            **os.environ,
            "PYTHONPATH": str(folder),
            "DATA_DIR": str(tmp_path / "data"),
            "REDIS_URL": f"redis://127.0.0.1:{free_port()}/0",
        }
        return subprocess.run(
            [*begin, *words],
            cwd=ROOT,
            env=surroundings,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    return command


def test_a_tool_behind_an_entry_point_is_one_of_the_installed(package):
    asks = "from tools.discovery import installed; print([t.place for t in installed() if t.name == 'backwards'])"

    assert package("backwards", "shell", "-v0", "-c", asks).stdout.strip() == "['backwards_tools.backwards']"


@pytest.mark.parametrize("words", [("check",), ("serve", "--port", "{port}")])
def test_two_tools_of_one_name_stop_the_start_with_both_places(package, words: tuple[str, ...]):
    done = package("calculate", *(word.format(port=free_port()) for word in words))

    assert done.returncode != 0
    assert BOTH_PLACES in done.stderr + done.stdout


def test_nor_does_a_worker_start(package):
    done = package("calculate", "-A", "project", "worker", begin=[str(CELERY)])

    assert done.returncode != 0
    assert BOTH_PLACES in done.stderr + done.stdout
