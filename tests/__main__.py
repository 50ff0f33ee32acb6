"""`python -m tests [pytest's arguments]`: every test, and those that depend on the database on PostgreSQL, too.

Three lanes at the same time, of about the same length: most tests wait for something most of the time. The first one's
output is shown as it comes, the others' when all have ended. Ends with one line a session, and with the exit code of
the worst one.
"""

import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pytest import ExitCode  # noqa: PT013

SQLITE = ("-m", "pytest", "-p", "tests.plugins.require_all", "-p", "tests.plugins.closing_line")
POSTGRESQL = ("-m", "tests.many_machines")


@dataclass(frozen=True)
class Plan:
    """A session to be run. `share`: of the tests that it may run, as tests/columns.py reads it."""

    name: str
    words: Sequence[str]
    share: str = ""


LANES = (
    (Plan("one machine (SQLite)", SQLITE, "alone"), Plan("in a browser", SQLITE, "browser")),
    (Plan("one machine (SQLite), servers", SQLITE, "servers"),),
    (Plan("many machines (PostgreSQL)", POSTGRESQL),),
)


@dataclass
class Session:
    """`folder` is its data folder, its output and its closing line; `shown`: the output goes to the terminal."""

    plan: Plan
    folder: Path
    process: "subprocess.Popen[bytes]"
    shown: bool

    @classmethod
    def start(
        cls, plan: Plan, arguments: Sequence[str], folder: Path, *, lane: int, shown: bool
    ) -> "Session":
        folder.mkdir()
        # A database of somebody's own is none for tests.
        environment = {
            **os.environ,
            "DATABASE_URL": "",
            "DATA_DIR": str(folder),
            "TEST_CLOSING_LINE": str(folder / "line"),
            "TEST_SHARE": plan.share,
            "TEST_LANE": str(lane),
        }
        with (folder / "output").open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, *plan.words, *arguments],
                env=environment,
                stdout=None if shown else output,
                stderr=None if shown else subprocess.STDOUT,
            )
        return cls(plan, folder, process, shown)

    def end(self) -> int:
        """Waits for it; its exit code."""
        try:
            return self.process.wait()
        finally:
            if self.process.poll() is None:
                self.process.terminate()
                self.process.wait()

    def tell(self) -> None:
        """What has not been shown yet."""
        if not self.shown:
            _say(f"\n#### {self.plan.name}\n{(self.folder / 'output').read_text(errors='replace')}")

    @property
    def closing_line(self) -> str:
        line = self.folder / "line"
        ended = line.read_text() if line.exists() else f"ended with exit code {self.process.returncode}"
        return f"#### {self.plan.name}: {ended}"


class Lane:
    """One session after the other, on a thread of its own."""

    def __init__(self, number: int, plans: Sequence[Plan], arguments: Sequence[str], folder: Path) -> None:
        """The first one's output is shown as it comes."""
        folder.mkdir()
        self.sessions: list[Session] = []
        self.codes: list[int] = []
        self._stopped = threading.Event()
        self._number = number
        self._work = (plans, arguments, folder)
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def join(self) -> None:
        self._thread.join()

    def stop(self) -> None:
        self._stopped.set()
        for session in self.sessions:
            if session.process.poll() is None:
                session.process.terminate()
        self._thread.join()

    def _run(self) -> None:
        plans, arguments, folder = self._work
        for number, plan in enumerate(plans):
            if self._stopped.is_set():
                return
            session = Session.start(
                plan, arguments, folder / str(number), lane=self._number, shown=self._number == 0
            )
            self.sessions.append(session)
            self.codes.append(session.end())


def main(arguments: Sequence[str]) -> int:
    with tempfile.TemporaryDirectory() as folder:
        _say(f"\n#### {LANES[0][0].name}\n")
        lanes = [
            Lane(number, plans, arguments, Path(folder, str(number))) for number, plans in enumerate(LANES)
        ]
        try:
            for lane in lanes:
                lane.join()
        finally:
            for lane in lanes:
                lane.stop()
        sessions = [session for lane in lanes for session in lane.sessions]
        for session in sessions:
            session.tell()
        _say("\n" + "\n".join(session.closing_line for session in sessions) + "\n")
        return worst([code for lane in lanes for code in lane.codes])


def _say(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


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
