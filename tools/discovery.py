"""Finds the tools: in the `llm_tools` modules of the installed apps, then behind the entry points of other packages."""

from collections.abc import Iterable, Iterator
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType
from typing import Any, Final

from django.apps import AppConfig, apps
from django.utils.module_loading import module_has_submodule

from tools.base import Tool
from tools.exceptions import ToolDefinitionError
from tools.registry import Registry

MODULE: Final = "llm_tools"
GROUP: Final = "lectern.tools"


@cache
def installed() -> Registry:
    """The registry of this process, made when first asked for.

    Raises:
        ToolDefinitionError: a tool cannot be used as it is written, or two have the same name.
    """
    return Registry(discover(apps.get_app_configs(), entry_points(group=GROUP)))


def discover(configs: Iterable[AppConfig], points: Iterable[EntryPoint]) -> Iterator[Tool]:
    """In the order of the apps, then of the entry points' names; in a module, as they are declared."""
    for config in configs:
        if config.module is not None and module_has_submodule(config.module, MODULE):
            yield from tools_of(import_module(f"{config.name}.{MODULE}"), f"{config.name}.{MODULE}")
    for point in sorted(points, key=lambda point: (point.name, point.value)):
        yield from tools_of(_loaded(point), f"the entry point {point.name} = {point.value}")


def tools_of(found: Any, where: str) -> Iterator[Tool]:
    """Of a tool, a collection of tools, or a module that holds some."""
    if isinstance(found, Tool):
        yield found
    elif isinstance(found, ModuleType):
        yield from (value for value in vars(found).values() if isinstance(value, Tool))
    elif isinstance(found, list | tuple) and all(isinstance(item, Tool) for item in found):
        yield from found
    else:
        raise ToolDefinitionError(f"{where} is neither a tool, nor a list of tools, nor a module.")


def _loaded(point: EntryPoint) -> Any:
    try:
        return point.load()
    except ToolDefinitionError:
        raise
    except Exception as error:
        raise ToolDefinitionError(
            f"The entry point {point.name} = {point.value} cannot be loaded: {type(error).__name__}: {error}"
        ) from error
