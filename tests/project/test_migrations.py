"""Migrations from nothing to today and back, on both databases."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import many_machines
from tests.live import MAKE_PEOPLE, LiveSite
from tests.postgres import name_for

pytestmark = pytest.mark.both_columns

MIGRATIONS = sorted(
    file.stem for file in (Path(__file__).parents[2] / "chat" / "migrations").glob("[0-9]*.py")
)


@pytest.fixture
def manage(tmp_path: Path) -> Iterator[Callable[..., str]]:
    """`manage.py` with an empty database."""
    server = many_machines.server
    if server is not None:
        server.make(name_for(tmp_path))
    yield LiveSite(tmp_path).manage
    if server is not None:
        server.drop(name_for(tmp_path))


def applied(manage: Callable[..., str]) -> list[str]:
    lines = manage("showmigrations", "chat", "--plan").splitlines()
    return [line.split("chat.")[1].split()[0] for line in lines if line.startswith("[X]") and "chat." in line]


def test_from_nothing_to_today_a_step_back_and_forward_again(manage):
    manage("migrate", "-v0")
    assert applied(manage) == MIGRATIONS
    manage("migrate", "-v0", "chat", MIGRATIONS[-2])
    assert applied(manage) == MIGRATIONS[:-1]
    manage("migrate", "-v0", "chat")
    assert applied(manage) == MIGRATIONS


def test_what_people_have_made_survives_a_way_back_and_forward_again(manage):
    manage("migrate", "-v0")
    manage("shell", "-v0", "-c", MAKE_PEOPLE)
    manage("add_provider", "kept", "--dialect", "openai_chat", "--base-url", "demo:", "--model", "m")
    manage("migrate", "-v0", "chat", MIGRATIONS[0])
    manage("migrate", "-v0", "chat")
    count = "from chat.models import *; print(User.objects.count(), LanguageModel.objects.get().full_name)"
    assert manage("shell", "-v0", "-c", count).split() == ["3", "kept/m"]


def test_nothing_is_left_of_our_tables_after_the_way_back(manage):
    manage("migrate", "-v0")
    manage("migrate", "-v0", "admin", "zero")
    manage("migrate", "-v0", "chat", "zero")
    assert applied(manage) == []
    tables = manage("inspectdb").lower()
    assert "class chat" not in tables


def test_the_models_ask_for_no_other_tables_than_the_migrations_make(manage):
    manage("makemigrations", "--check", "--dry-run")


@pytest.mark.postgresql
def test_two_machines_that_start_at_once_migrate_one_after_the_other(tmp_path, manage):
    site = LiveSite(tmp_path)
    words = [
        sys.executable,
        "-c",
        "import django; django.setup(); from project.servers.preparation import _migrate; _migrate(print)",
    ]
    environment = site.environment() | {"DJANGO_SETTINGS_MODULE": "project.settings"}
    at_once = [
        subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for _ in range(2)
    ]
    said = [process.communicate(timeout=60)[0] for process in at_once]
    assert [process.returncode for process in at_once] == [0, 0], said
    assert applied(manage) == MIGRATIONS
