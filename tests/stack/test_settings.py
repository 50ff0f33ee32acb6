"""The settings of a stack, and who they count for."""

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from project import env
from project.stack.env_file import hold, is_running, settings_of_running_stack, stack_folder, write_settings

SETTINGS = {
    "DATABASE_URL": "postgres://lectern:a=b@127.0.0.1:1/lectern",
    "REDIS_URL": "redis://127.0.0.1:2/0",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Of a stack that is not running, with settings in it."""
    folder = stack_folder(tmp_path)
    folder.mkdir()
    write_settings(folder, SETTINGS)
    return folder


@pytest.fixture
def no_fallback() -> Iterator[None]:
    yield
    env.fall_back_on({})


def test_while_the_stack_runs_its_settings_are_read(folder: Path, tmp_path: Path):
    held = hold(folder)
    assert held is not None
    with held:
        assert settings_of_running_stack(tmp_path) == SETTINGS


def test_what_a_dead_stack_left_behind_has_no_effect(folder: Path, tmp_path: Path):
    held = hold(folder)
    assert held is not None
    held.close()
    assert (folder / "stack.pid").read_text() == f"{os.getpid()}\n"
    assert settings_of_running_stack(tmp_path) == {}


def test_a_living_process_with_the_pid_of_a_dead_stack_is_none(folder: Path, tmp_path: Path):
    (folder / "stack.pid").write_text("1\n")
    assert settings_of_running_stack(tmp_path) == {}


def test_where_there_never_was_a_stack_there_are_no_settings(tmp_path: Path):
    assert settings_of_running_stack(tmp_path) == {}
    assert list(tmp_path.iterdir()) == []


def test_looking_does_not_disturb_the_one_who_holds_it(folder: Path):
    held = hold(folder)
    assert held is not None
    with held:
        assert is_running(folder)
        assert is_running(folder)
        assert hold(folder) is None
    assert not is_running(folder)


def test_only_the_owner_can_read_them(folder: Path):
    assert (folder / "env").stat().st_mode & 0o777 == 0o600


@pytest.mark.usefixtures("no_fallback")
def test_the_environment_wins_over_the_file(monkeypatch: pytest.MonkeyPatch):
    env.fall_back_on({"STACK_TEST_NAME": "of the file"})
    assert env.text("STACK_TEST_NAME", "default") == "of the file"
    monkeypatch.setenv("STACK_TEST_NAME", "of the environment")
    assert env.text("STACK_TEST_NAME", "default") == "of the environment"
    assert env.given()["STACK_TEST_NAME"] == "of the environment"


@pytest.mark.usefixtures("no_fallback")
def test_an_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch):
    env.fall_back_on({"STACK_TEST_NAME": "of the file"})
    monkeypatch.setenv("STACK_TEST_NAME", " ")
    assert env.text("STACK_TEST_NAME", "default") == "of the file"


@pytest.mark.usefixtures("no_fallback")
def test_what_the_file_says_was_not_given(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("STACK_TEST_OTHER", raising=False)
    env.fall_back_on({"STACK_TEST_OTHER": "of the file"})
    assert env.text("STACK_TEST_OTHER") == "of the file"
    assert "STACK_TEST_OTHER" not in env.given()


def test_however_often_it_is_taken_and_removed_one_holds_it_at_a_time(tmp_path: Path):
    holding, most = 0, 0

    def take_and_leave() -> None:
        nonlocal holding, most
        for _ in range(300):
            held = hold(tmp_path)
            if held is None:
                continue
            holding += 1
            most = max(most, holding)
            time.sleep(0)
            holding -= 1
            # In the order in which a stack ends.
            (tmp_path / "stack.pid").unlink(missing_ok=True)
            held.close()

    threads = [threading.Thread(target=take_and_leave) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
