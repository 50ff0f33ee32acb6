"""Tables that are printed while they grow and written at the end."""

import sys
from collections.abc import Sequence

from bench.report import row


class Section:
    """One table. `failed` counts the rows in which a promise did not hold."""

    def __init__(self, title: str, heads: Sequence[str]) -> None:
        self.failed = 0
        self._lines: list[str] = []
        self.table(title, heads)

    def table(self, title: str, heads: Sequence[str]) -> None:
        """Goes on with another one."""
        self._say(f"## {title}\n")
        self._say(row(*heads))
        self._say(row("---", *["---:"] * (len(heads) - 1)))

    @property
    def text(self) -> str:
        return "\n".join(self._lines) + "\n"

    def add(self, line: str, *, failed: object = False) -> None:
        self._say(line)
        self.failed += bool(failed)

    def note(self, words: str) -> None:
        self._say(f"\n{words}\n")

    def complain(self, wrong: Sequence[str], most: int = 10) -> None:
        """The first of what was wrong, under the table."""
        if wrong:
            self.note("\n".join([*(f"- {said}" for said in wrong[:most]), f"- … {len(wrong)} in all"]))

    def _say(self, line: str) -> None:
        self._lines.append(line)
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
