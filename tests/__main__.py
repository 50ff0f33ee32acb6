"""`python -m tests [pytest's arguments]`: every test, and beside it on PostgreSQL those that depend on the database.

The second session's output comes when the first has ended. Ends with one line a session, and with the exit code of the
worse one.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pytest import ExitCode  # noqa: PT013

FIRST = ["-m", "pytest", "-p", "tests.plugins.require_all", "-p", "tests.plugins.closing_line"]
SESSIONS = {"one machine (SQLite)": FIRST, "many machines (PostgreSQL)": ["-m", "tests.many_machines"]}


@dataclass
class Session:
    """`folder` is its data folder, its output and its closing line; `shown`: the output goes to the terminal."""

    name: str
    folder: Path
    process: "subprocess.Popen[bytes]"
    shown: bool

    @classmethod
    def start(
        cls, name: str, words: Sequence[str], arguments: Sequence[str], folder: Path, *, shown: bool
    ) -> "Session":
        folder.mkdir()
        # A database of somebody's own is none for tests.
        environment = {
            **os.environ,
            "DATABASE_URL": "",
            "DATA_DIR": str(folder),
            "TEST_CLOSING_LINE": str(folder / "line"),
        }
        with (folder / "output").open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, *words, *arguments],
                env=environment,
                stdout=None if shown else output,
                stderr=None if shown else subprocess.STDOUT,
            )
        return cls(name, folder, process, shown)

    def end(self) -> tuple[int, str]:
        """Its exit code and its closing line; says what has not been shown yet."""
        code = self.process.wait()
        if not self.shown:
            sys.stdout.write(f"\n#### {self.name}\n")
            sys.stdout.write((self.folder / "output").read_text(errors="replace"))
            sys.stdout.flush()
        line = self.folder / "line"
        return (
            code,
            f"#### {self.name}: {line.read_text() if line.exists() else f'ended with exit code {code}'}",
        )


def main(arguments: Sequence[str]) -> int:
    with tempfile.TemporaryDirectory() as folder:
        first, *_ = SESSIONS
        sys.stdout.write(f"\n#### {first}\n")
        sys.stdout.flush()
        sessions = [
            Session.start(name, words, arguments, Path(folder, str(number)), shown=name == first)
            for number, (name, words) in enumerate(SESSIONS.items())
        ]
        try:
            ends = [session.end() for session in sessions]
        finally:
            for session in sessions:
                if session.process.poll() is None:
                    session.process.terminate()
                    session.process.wait()
    sys.stdout.write("\n" + "\n".join(line for _, line in ends) + "\n")
    return worst([code for code, _ in ends])


def worst(codes: Sequence[int]) -> int:
    """A session that had nothing to do is no failure, unless no session had."""
    failed = [code for code in codes if code not in (ExitCode.OK, ExitCode.NO_TESTS_COLLECTED)]
    if failed:
        return failed[0] if failed[0] > 0 else int(ExitCode.INTERNAL_ERROR)
    return int(min(codes))


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(int(ExitCode.INTERRUPTED))
