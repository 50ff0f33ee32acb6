"""The real servers: what is true of a socket is true on both."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import many_machines
from tests.live import LOW_LIMITS, LiveSite, serving

# No server knows which database is behind it. On PostgreSQL tests/websocket/test_two_servers.py has one of each.
SERVERS = ["daphne", "uvicorn"] if many_machines.server is None else ["uvicorn"]


@pytest.fixture(scope="session", params=SERVERS)
def site(
    request: pytest.FixtureRequest, prepared_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LiveSite]:
    """As everywhere (tests/live.py), once on each server."""
    folder = tmp_path_factory.mktemp("site") / "data"
    with serving(prepared_folder, folder, request.param, **LOW_LIMITS) as live:
        yield live


@pytest.fixture(params=SERVERS)
def mortal_site(request: pytest.FixtureRequest, prepared_folder: Path, tmp_path: Path) -> Iterator[LiveSite]:
    with serving(prepared_folder, tmp_path / "data", request.param) as live:
        yield live
