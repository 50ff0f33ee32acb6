"""`python -m tests.many_machines [pytest's arguments]`: the tests of both columns, on PostgreSQL."""

import os
import secrets
import sys
from collections.abc import Sequence

import pytest

from tests.postgres import Postgres, PostgresMissing, postgres

server: Postgres | None = None
"""The one that this session runs on."""


def main(arguments: Sequence[str]) -> int:
    global server
    try:
        with postgres() as server:
            name = f"lectern_{secrets.token_hex(4)}"
            # Django works on a database of its own, named after this one, and leaves no trace of either.
            os.environ["DATABASE_URL"] = server.at(name)
            return pytest.main(
                ["-p", "tests.plugins.require_all", "-p", "tests.plugins.closing_line", *arguments]
            )
    except PostgresMissing as error:
        sys.stdout.write(f"\n!!! NOT RUN on PostgreSQL: {error}\n")
        _leave_closing_line(f"NOT RUN: {error}")
        return 0 if os.environ.get("REQUIRE_ALL", "") in {"", "0"} else 1


def _leave_closing_line(line: str) -> None:
    if file := os.environ.get("TEST_CLOSING_LINE"):
        with open(file, "w") as closing:  # noqa: PTH123
            closing.write(line)


if __name__ == "__main__":
    # As `tests.many_machines`, so that fixtures that import it see the same server.
    from tests import many_machines

    sys.exit(many_machines.main(sys.argv[1:]))
