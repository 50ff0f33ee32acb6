"""PostgreSQL refuses to run as root. Who runs it then, and how that user gets at its files."""

import hashlib
import os
import pwd
import shutil
import stat
import subprocess
from pathlib import Path
from typing import Any

OTHERS = ("postgres", "nobody")
"""Asked in this order to run it instead of root."""
ELSEWHERE = Path("/var/lib/lectern")
"""Where the files go when root's data folder lies in a place that the other user may not enter."""


class NobodyElse(Exception):
    """This is root, and there is no other user; the text says what to do."""


def as_whom() -> dict[str, Any]:
    """Arguments for `subprocess`: nothing, or for root somebody with fewer rights.

    Raises:
        NobodyElse: this is root, and there is nobody else.
    """
    if os.geteuid() != 0:
        return {}
    for name in OTHERS:
        try:
            found = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": found.pw_uid, "group": found.pw_gid, "extra_groups": []}
    raise NobodyElse(
        "PostgreSQL does not run as root, and there is no user nobody: run this as another user."
    )


def reachable_binaries(found: Path, folder: Path, runner: dict[str, Any]) -> Path:
    """The binaries themselves, or a copy in `folder` where that other user may not look (a checkout in root's home)."""
    if _runs(found, runner):
        return found
    # A wheel's libraries lie beside its package, and are found from where the binaries are.
    package = found.parents[1]
    copy = folder / "copy" / package.name / found.relative_to(package)
    if not _runs(copy, runner):
        for part in (package, package.with_name(f"{package.name}.libs")):
            if part.is_dir():
                shutil.copytree(part, folder / "copy" / part.name, symlinks=True, dirs_exist_ok=True)
    return copy


def room_for(runner: dict[str, Any], folder: Path, *, within: Path) -> Path:
    """`folder`, made if absent and given to the runner; `within` is the folder of ours that it may be let into.

    Root's temporary folders are closed to all others: there the runner's group may pass through, and no more. Where
    somebody else's folder above is closed, a link leads to a place of its own in /var/lib.
    """
    if folder.is_symlink() and runner:
        return folder.resolve()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not runner:
        return folder
    above = [parent for parent in folder.resolve().parents if parent.is_relative_to(within.resolve())]
    for parent in above:
        if not _may_enter(parent, runner):
            os.chown(parent, -1, runner["group"])
            parent.chmod(stat.S_IMODE(parent.stat().st_mode) | stat.S_IXGRP)
    if not all(_may_enter(parent, runner) for parent in folder.resolve().parents):
        folder.rmdir()
        real = ELSEWHERE / hashlib.sha256(str(folder).encode()).hexdigest()[:16]
        real.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.symlink_to(real)
        folder = real
    os.chown(folder, runner["user"], runner["group"])
    return folder


def _may_enter(folder: Path, runner: dict[str, Any]) -> bool:
    found = folder.stat()
    if found.st_uid == runner["user"]:
        return bool(found.st_mode & stat.S_IXUSR)
    if found.st_gid == runner["group"]:
        return bool(found.st_mode & stat.S_IXGRP)
    return bool(found.st_mode & stat.S_IXOTH)


def _runs(binaries: Path, runner: dict[str, Any]) -> bool:
    try:
        command: list[str | Path] = [binaries / "postgres", "--version"]
        subprocess.run(command, cwd="/", capture_output=True, check=True, **runner)  # noqa: S603
    except (OSError, subprocess.CalledProcessError):
        return False
    return True
