"""All tools of an installation, by name; and what of them a caller may use, as staff have it now."""

import difflib
import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from msgspec import Struct

from tools.base import DESCRIPTION_CHARACTERS, Tool, check_limits
from tools.context import Caller
from tools.exceptions import ToolDefinitionError, UnknownTool

logger = logging.getLogger(__name__)

NO_OVERRIDES: Final[Mapping[str, "ToolOverride"]] = {}


class ToolOverride(Struct, frozen=True, kw_only=True):
    """What staff have set for one tool. None, an empty text and no groups leave what the tool says."""

    enabled: bool = True
    description: str = ""
    timeout_seconds: float | None = None
    retries: int | None = None
    needs_approval: bool | None = None
    max_result_bytes: int | None = None
    groups: frozenset[str] = frozenset()
    """Only callers in one of them, beside what the tool itself asks."""

    def __post_init__(self) -> None:
        check_limits(
            1.0 if self.timeout_seconds is None else self.timeout_seconds,
            0 if self.retries is None else self.retries,
            256 if self.max_result_bytes is None else self.max_result_bytes,
        )
        if len(self.description) > DESCRIPTION_CHARACTERS:
            raise ToolDefinitionError(f"A description has at most {DESCRIPTION_CHARACTERS} characters.")

    def applied_to(self, tool: Tool) -> Tool:
        # A tool that is not idempotent is not tried again, whoever asks for it.
        retries = self.retries if tool.idempotent else 0
        named = {
            "description": self.description or None,
            "timeout_seconds": self.timeout_seconds,
            "retries": retries,
            "needs_approval": self.needs_approval,
            "max_result_bytes": self.max_result_bytes,
        }
        changes: dict[str, Any] = {name: value for name, value in named.items() if value is not None}
        return replace(tool, **changes)


class ToolDescription(Struct, frozen=True):
    """What goes into a request to a model."""

    name: str
    description: str
    parameters: dict[str, Any]


class Registry:
    """Never changes. Overrides come with each question, so that what staff change counts at once."""

    def __init__(self, tools: Iterable[Tool]) -> None:
        """
        Raises:
            ToolDefinitionError: two tools have the same name; both places are named.
        """
        self._tools: dict[str, Tool] = {}
        for tool in tools:
            known = self._tools.setdefault(tool.name, tool)
            if known is not tool:
                raise ToolDefinitionError(
                    f"Two tools are called {tool.name}: {known.place} and {tool.place}. Rename one of them."
                )

    def __iter__(self) -> Iterator[Tool]:
        """As they are declared, whether switched on or not."""
        return iter(self._tools.values())

    def __len__(self) -> int:
        return len(self._tools)

    def offered(
        self, caller: Caller, overrides: Mapping[str, ToolOverride] = NO_OVERRIDES
    ) -> tuple[Tool, ...]:
        """What this caller may use, with the overrides applied, in the order of the registry."""
        ready = (_ready(tool, caller, overrides.get(tool.name)) for tool in self)
        return tuple(tool for tool in ready if tool is not None)

    def describe(
        self, caller: Caller, overrides: Mapping[str, ToolOverride] = NO_OVERRIDES
    ) -> tuple[ToolDescription, ...]:
        return tuple(
            ToolDescription(tool.name, tool.description, tool.parameters)
            for tool in self.offered(caller, overrides)
        )

    def find(self, name: str, caller: Caller, overrides: Mapping[str, ToolOverride] = NO_OVERRIDES) -> Tool:
        """
        Raises:
            UnknownTool: there is none of this name for this caller; the text lists those that there are.
        """
        tool = self._tools.get(name)
        ready = _ready(tool, caller, overrides.get(name)) if tool else None
        if ready is None:
            raise UnknownTool(_missing(name, [tool.name for tool in self.offered(caller, overrides)]))
        return ready


def _ready(tool: Tool, caller: Caller, override: ToolOverride | None) -> Tool | None:
    if not _is_allowed(tool, caller):
        return None
    if override is None:
        return tool
    if not override.enabled or (override.groups and not override.groups & caller.groups):
        return None
    return override.applied_to(tool)


def _is_allowed(tool: Tool, caller: Caller) -> bool:
    """Anybody may have written the question: one that breaks keeps its own tool back, and no run."""
    try:
        return bool(tool.allowed(caller))
    except Exception:
        logger.exception("Nobody knows who may use %s (%s), so nobody may", tool.name, tool.place)
        return False


def _missing(name: str, names: list[str]) -> str:
    near = difflib.get_close_matches(name, names, n=1)
    hint = f" Did you mean {near[0]}?" if near else ""
    return f"There is no tool called {name[:64]!r}.{hint} There are: {', '.join(names) or 'none'}."
