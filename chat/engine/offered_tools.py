"""Which tools a run may call, as they are offered now."""

from collections.abc import Sequence

from chat.engine.plan import OfferedTool
from chat.llm.messages import ToolSchema
from chat.models import User
from tools.base import Tool
from tools.context import Caller
from tools.discovery import installed


def caller_of(user: User) -> Caller:
    return Caller(user_id=str(user.pk), is_staff=user.is_staff)


def tool_named(name: str, caller: Caller) -> Tool:
    """
    Raises:
        UnknownTool: absent, switched off, or not for this caller.
    """
    return installed().find(name, caller)


def seconds_of(name: str) -> float | None:
    """What a tool has for its work; None where there is none of that name."""
    return next((tool.timeout_seconds for tool in installed() if tool.name == name), None)


def tools_for(
    user: User, wanted: Sequence[str] | None
) -> tuple[tuple[ToolSchema, ...], tuple[OfferedTool, ...]]:
    """What the model is told, and what the run needs to know. `wanted` None: all that this user may use."""
    offered = [tool for tool in installed().offered(caller_of(user)) if wanted is None or tool.name in wanted]
    schemas = tuple(ToolSchema(tool.name, tool.description, tool.parameters) for tool in offered)
    return schemas, tuple(_offered(tool) for tool in offered)


def _offered(tool: Tool) -> OfferedTool:
    return OfferedTool(
        name=tool.name,
        queue=tool.queue,
        needs_approval=tool.needs_approval,
        seconds=tool.timeout_seconds,
        idempotent=tool.idempotent,
    )
