"""What staff have set for tools, as it stands: read once a second at most, so that a question costs next to nothing."""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from tools.exceptions import ToolDefinitionError
from tools.models import ToolSetting
from tools.models.settings import VALUES
from tools.registry import ToolOverride

logger = logging.getLogger(__name__)

REMEMBER_SECONDS: Final = 1.0
"""How late a running process follows a change at most."""

Named = Mapping[str, ToolOverride]


class Overrides:
    """Calling it gives what is in force, by the tools' names. Safe to use from several threads."""

    def __init__(self, read: Callable[[], Named], clock: Callable[[], float]) -> None:
        self._read = read
        self._clock = clock
        self._known: tuple[float, Named] | None = None
        self._lock = threading.Lock()

    def __call__(self) -> Named:
        """One query, where the last one is a second old. Raises what the database raises."""
        now = self._clock()
        known = self._known
        if known is not None and now - known[0] < REMEMBER_SECONDS:
            return known[1]
        found = self._read()
        with self._lock:
            # Somebody who began later may have been quicker, and has seen more.
            if self._known is None or self._known[0] <= now:
                self._known = (now, found)
        return found

    def forget(self) -> None:
        """The next question is asked of the database."""
        with self._lock:
            self._known = None


def stored() -> dict[str, ToolOverride]:
    """Of the tools for which something is set; one query."""
    named = {name: _override(name, values) for name, values in ToolSetting.objects.named()}
    return {name: override for name, override in named.items() if override != NOTHING_SET}


def override_of(row: ToolSetting) -> ToolOverride:
    """With a query for its groups, where they were not fetched with it."""
    values = {name: getattr(row, name) for name in VALUES}
    return _override(row.name, {**values, "groups": frozenset(group.name for group in row.groups.all())})


def _override(name: str, values: Mapping[str, Any]) -> ToolOverride:
    """What makes no sense leaves its tool switched off. The admin refuses such a row, so it was written elsewhere."""
    try:
        return ToolOverride(**values)
    except ToolDefinitionError as error:
        logger.warning("The tool %s is off: what is set for it cannot be so: %s", name, error)
        return OFF


NOTHING_SET: Final = ToolOverride()
OFF: Final = ToolOverride(enabled=False)

in_force: Final = Overrides(stored, time.monotonic)
"""This process's."""
