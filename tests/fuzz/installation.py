"""Installs the fuzzer outside the checkout and the project's environment: in `FUZZ_DIR`, else in the user's cache.

The folder's name holds a hash of what is to be in it: a new version is a new folder, a half-made one is made again.
"""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

PINNED = Path(__file__).parent / "requirements.txt"
PIP_SECONDS = 300


class CannotInstall(Exception):
    """The text says what is missing and what to do."""


def atheris_folder() -> Path:
    """Where `import atheris` finds it; installed if it is not yet."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    root = Path(os.environ.get("FUZZ_DIR") or cache / "lectern-fuzz")
    content = PINNED.read_bytes() + sys.version.encode()
    folder = root / f"atheris-{hashlib.sha256(content).hexdigest()[:12]}"
    done = folder / ".done"
    if not done.exists():
        _pip(
            "install",
            "--no-deps",
            "--require-hashes",
            "--upgrade",
            "--target",
            str(folder),
            "-r",
            str(PINNED),
        )
        done.touch()
    return folder


def _pip(*words: str) -> None:
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *words]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PIP_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CannotInstall(f"pip: {error}") from error
    if done.returncode:
        last = (done.stderr or done.stdout).strip().splitlines()[-3:]
        raise CannotInstall(
            f"atheris: {' / '.join(last)}. It has wheels for Linux on x86-64; elsewhere it is built, with clang."
        )
