"""The settings of a running stack, for every command with the same data folder. Read before Django is there."""

import fcntl
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TextIO

LINE = re.compile(r"([A-Z][A-Z0-9_]*)=(.*)")


def stack_folder(data_folder: Path) -> Path:
    return data_folder / "stack"


def settings_of_running_stack(data_folder: Path) -> dict[str, str]:
    """Empty where none runs. What a dead stack left behind has no effect: its servers are gone with it."""
    folder = stack_folder(data_folder)
    if not is_running(folder):
        return {}
    try:
        lines = (folder / "env").read_text(encoding="utf-8").split("\n")
    except OSError:  # it is just beginning or ending, or it is somebody else's
        return {}
    return {found[1]: found[2] for line in lines if (found := LINE.fullmatch(line))}


def is_running(folder: Path) -> bool:
    """A living supervisor holds a lock on its pid file, which ends with it, however it ends. A pid alone may by now be
    anybody's."""
    try:
        with (folder / "stack.pid").open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False


def hold(folder: Path) -> TextIO | None:
    """The supervisor's own hold on the folder, with its pid in it; None where another has it. Keep it open."""
    path = folder / "stack.pid"
    file = path.open("a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Who has just ended removes it, and would leave us with a file that nobody else sees.
        if not os.path.samestat(os.fstat(file.fileno()), path.stat()):
            raise BlockingIOError
    except OSError:
        file.close()
        return None
    file.truncate(0)
    file.write(f"{os.getpid()}\n")
    file.flush()
    return file


def write_settings(folder: Path, settings: Mapping[str, str]) -> None:
    """For the owner alone: passwords are in it. A value with a line's end in it cannot be written, and is left out."""
    draft = folder / "env.new"
    lines = [f"{name}={value}\n" for name, value in sorted(settings.items()) if "\n" not in value]
    with os.fdopen(
        os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8"
    ) as out:
        out.writelines(lines)
    draft.chmod(0o600)
    draft.replace(folder / "env")
