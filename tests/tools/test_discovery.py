"""Where tools are found: apps, entry points, and what is said of those that cannot be used."""

import sys
from importlib.metadata import EntryPoint
from types import ModuleType
from typing import Any

import pytest
from django.apps import AppConfig, apps
from django.core import checks

from tools.base import Tool, tool
from tools.discovery import GROUP, discover, installed, tools_of
from tools.exceptions import ToolDefinitionError
from tools.registry import Registry


def named(name: str) -> Tool:
    return tool(name=name, description="For a test.")(lambda: "")


@pytest.fixture
def plugin(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A module of another package, as an entry point names it."""
    module = ModuleType("plugin_of_a_test")
    monkeypatch.setitem(sys.modules, "plugin_of_a_test", module)
    return module


def point(name: str, value: str = "plugin_of_a_test") -> EntryPoint:
    return EntryPoint(name, value, GROUP)


def test_the_built_in_tools_are_there():
    assert {known.name for known in installed()} >= {
        "calculate", "current_time", "fetch_page", "get_stock_price", "get_weather", "make_report", "query_order",
        "search_conversations", "search_database",
    }  # fmt: skip


def test_every_built_in_tool_can_be_run_again_after_its_worker_died():
    assert all(known.idempotent for known in discover(map(apps.get_app_config, ("chat", "tools")), []))


def test_an_app_without_tools_has_none():
    assert list(discover([apps.get_app_config("contenttypes")], [])) == []


def test_an_entry_point_may_be_a_module_a_tool_or_a_list(plugin: ModuleType):
    vars(plugin).update(one=named("one"), more=[named("two"), named("three")])
    points = [point("b", "plugin_of_a_test:more"), point("a", "plugin_of_a_test:one")]

    assert [found.name for found in discover([], points)] == ["one", "two", "three"]
    assert [found.name for found in discover([], [point("c")])] == ["one"]


def test_an_entry_point_that_is_nothing_of_these_is_named(plugin: ModuleType):
    vars(plugin).update(wrong=[1])

    with pytest.raises(ToolDefinitionError, match="plugin_of_a_test:wrong"):
        list(discover([], [point("x", "plugin_of_a_test:wrong")]))


def test_an_entry_point_that_cannot_be_loaded_is_named():
    with pytest.raises(ToolDefinitionError, match="x = no_such_package"):
        list(discover([], [point("x", "no_such_package")]))


def test_a_plugin_cannot_take_the_name_of_another_tool(plugin: ModuleType):
    vars(plugin).update(mine=tool(name="calculate", description="Mine.")(lambda: ""))
    configs: list[AppConfig] = [apps.get_app_config("tools")]

    with pytest.raises(ToolDefinitionError, match="Two tools are called calculate"):
        Registry(discover(configs, [point("x")]))


def test_a_module_gives_the_tools_it_declares_in_their_order():
    module = ModuleType("m")
    module.__dict__.update(second=named("second"), first=named("first"), other=3)

    assert [found.name for found in tools_of(module, "m")] == ["second", "first"]


@pytest.mark.parametrize(
    ("setting", "value", "code"),
    [
        ("TOOLS_ALLOWED_HOSTS", ["http://wiki/"], "tools.E002"),
        ("STOCK_QUOTE_FIELDS", ["change=d"], "tools.E003"),
        ("STOCK_QUOTE_FIELDS", ["price"], "tools.E003"),
        ("CELERY_TASK_QUEUES", [], "tools.E004"),
        ("CELERY_TASK_SOFT_TIME_LIMIT", 5, "tools.W001"),
    ],
)
def test_a_bad_setting_is_told_at_the_start(settings, setting: str, value: Any, code: str):
    assert not [message for message in checks.run_checks() if str(message.id).startswith("tools.")]

    setattr(settings, setting, value)

    assert code in {message.id for message in checks.run_checks()}
