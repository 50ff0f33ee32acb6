"""What must be right before anything is served: told by `manage.py check`, which every start runs."""

from collections.abc import Callable
from typing import Any

from django.core import checks
from django.core.exceptions import ImproperlyConfigured

from tools.conf import outbound_policy, quote_service, task_queues, task_seconds
from tools.discovery import installed
from tools.exceptions import ToolDefinitionError


@checks.register()
def tools_can_be_used(**_: Any) -> list[checks.CheckMessage]:
    """Every tool as it is written, no two of one name, and the settings that they read."""
    questions: tuple[tuple[str, Callable[[], Any]], ...] = (
        ("tools.E001", installed),
        ("tools.E002", outbound_policy),
        ("tools.E003", quote_service),
    )
    return [message for code, question in questions for message in _asked(code, question)]


@checks.register()
def tools_fit_the_workers(**_: Any) -> list[checks.CheckMessage]:
    """There is a worker for each, that gives it the time it asks for."""
    try:
        tools = list(installed())
    except ToolDefinitionError:
        return []  # told above
    queues, seconds = task_queues(), task_seconds()
    lost: list[checks.CheckMessage] = [
        checks.Error(
            f"The tool {tool.name} ({tool.place}) is for the queue {tool.queue}, which no worker takes from.",
            id="tools.E004",
        )
        for tool in tools
        if tool.queue not in queues
    ]
    return lost + [
        checks.Warning(
            f"The tool {tool.name} ({tool.place}) may take {tool.timeout_seconds:g} s, but a task has {seconds:g}.",
            hint="Raise TASK_SECONDS.",
            id="tools.W001",
        )
        for tool in tools
        if tool.timeout_seconds > seconds
    ]


def _asked(code: str, question: Callable[[], Any]) -> list[checks.CheckMessage]:
    try:
        question()
    except (ToolDefinitionError, ImproperlyConfigured) as error:
        return [checks.Error(str(error), id=code)]
    return []
