"""Which tests run on which column of the table of sizes: one machine (SQLite), or many (PostgreSQL).

A session has one database, so there are several: `make test` starts them. What depends on the column runs in both; a
test that speaks of one database alone is marked with its name, and is no part of the other session. TEST_SHARE parts
those of SQLite in three, so that each lane of `make test` (tests/__main__.py) has about a third of the work.
"""

import os
from pathlib import Path

import pytest
from django.conf import settings

HERE = Path(__file__).parent
BOTH = {
    "accounts", "actions", "admin", "api", "attachments", "engine", "events", "pages", "providers", "usage", "webhooks",
    "websocket",
}  # fmt: skip
"""Folders that the second session repeats whole. Elsewhere files mark themselves with `both_columns`. What is run on
every backend anyway (limits and breakers, tests/resilience) is not repeated."""


SERVERS = {"attachments", "chaos", "deploy", "project", "stack", "webhooks", "websocket"}
"""Folders that mostly wait for servers of their own; beside the others they take little of the machine."""


def share_of(item: pytest.Item) -> str:
    if "browser" in item.keywords:
        return "browser"
    return "servers" if _folder_of(item) in SERVERS else "alone"


def _folder_of(item: pytest.Item) -> str:
    return item.path.relative_to(HERE).parts[0] if item.path.is_relative_to(HERE) else ""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    share = os.environ.get("TEST_SHARE", "")
    many = not settings.DATABASE_URL.startswith("sqlite")
    left_out = []
    for item in items:
        if _folder_of(item) in BOTH:
            item.add_marker("both_columns")
        wanted = "both_columns" in item.keywords or "postgresql" in item.keywords if many else True
        wanted = wanted and share in ("", share_of(item))
        if not wanted or ("sqlite" if many else "postgresql") in item.keywords:
            left_out.append(item)
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in set(left_out)]
