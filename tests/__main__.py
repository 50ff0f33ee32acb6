"""`python -m tests [pytest's arguments]`: every test, then on PostgreSQL those that depend on the database.

Ends with one line a session, and with the exit code of the worse one.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from pytest import ExitCode  # noqa: PT013

FIRST = ["-m", "pytest", "-p", "tests.plugins.require_all", "-p", "tests.plugins.closing_line"]
SESSIONS = {"one machine (SQLite)": FIRST, "many machines (PostgreSQL)": ["-m", "tests.many_machines"]}


def main(arguments: Sequence[str]) -> int:
    codes: list[int] = []
    closing: list[str] = []
    for name, words in SESSIONS.items():
        sys.stdout.write(f"\n#### {name}\n")
        sys.stdout.flush()
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "line")
            command = [sys.executable, *words, *arguments]
            # A database of somebody's own is none for tests.
            environment = {**os.environ, "DATABASE_URL": "", "TEST_CLOSING_LINE": str(file)}
            code = subprocess.run(command, env=environment, check=False).returncode
            line = file.read_text() if file.exists() else f"ended with exit code {code}"
        codes.append(code)
        closing.append(f"#### {name}: {line}")
        if code == ExitCode.INTERRUPTED or code < 0:
            break
    sys.stdout.write("\n" + "\n".join(closing) + "\n")
    return worst(codes)


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
