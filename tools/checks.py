"""What must be right before anything is served: told by `manage.py check`, which every start runs."""

from collections.abc import Callable
from typing import Any

from django.core import checks
from django.core.exceptions import ImproperlyConfigured

from tools.conf import outbound_policy, quote_service
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


def _asked(code: str, question: Callable[[], Any]) -> list[checks.CheckMessage]:
    try:
        question()
    except (ToolDefinitionError, ImproperlyConfigured) as error:
        return [checks.Error(str(error), id=code)]
    return []
