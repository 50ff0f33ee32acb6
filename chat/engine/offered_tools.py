"""Which tools a run may call, as staff have them now: a change counts within a second."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from chat.engine.plan import OfferedTool
from chat.llm.messages import ToolSchema
from chat.models import User, WebhookTool
from tools.arguments import read_arguments
from tools.base import Tool
from tools.context import Caller
from tools.discovery import installed
from tools.exceptions import ToolError, UnknownTool
from tools.json_schema import check_arguments
from tools.overrides import in_force

NO_PARAMETERS: Final = {"type": "object", "properties": {}}


def caller_of(user: User) -> Caller:
    groups = frozenset(user.groups.values_list("name", flat=True))
    return Caller(user_id=str(user.pk), groups=groups, is_staff=user.is_staff)


def tool_named(name: str, caller: Caller) -> Tool:
    """
    Raises:
        UnknownTool: absent, switched off, or not for this caller.
    """
    return installed().find(name, caller, in_force())


def argument_errors(name: str, kind: str, arguments: str, user: User) -> str:
    """What is wrong with these arguments, in words; "" for nothing, and where only the tool itself will know."""
    try:
        if kind == "local":
            read_arguments(tool_named(name, caller_of(user)), arguments)
        elif kind == "webhook" and (found := WebhookTool.objects.usable_by(user).filter(name=name).first()):
            check_arguments(name, found.parameters, arguments)
    except UnknownTool:
        return ""
    except ToolError as error:
        return str(error)
    return ""


def names_for(user: User) -> frozenset[str]:
    """All that this user may use."""
    ours = {tool.name for tool in installed().offered(caller_of(user), in_force())}
    return frozenset(ours.union(WebhookTool.objects.usable_by(user).values_list("name", flat=True)))


def seconds_of(name: str) -> float | None:
    """What a tool has for its work, whoever calls it; None where there is none of that name."""
    declared = next((tool.timeout_seconds for tool in installed() if tool.name == name), None)
    override = in_force().get(name)
    return declared if override is None or override.timeout_seconds is None else override.timeout_seconds


def tools_for(
    user: User,
    wanted: Sequence[str] | None,
    brought: Sequence[Mapping[str, Any]] = (),
    *,
    brought_seconds: float = 0.0,
) -> tuple[tuple[ToolSchema, ...], tuple[OfferedTool, ...]]:
    """What the model is told, and what the run needs to know.

    `wanted` None: all that this user may use. `brought` are tools that the caller runs itself and answers within
    `brought_seconds`; one of ours that got the same name since is left out.
    """
    theirs = {tool["name"] for tool in brought}
    ours = {tool.name for tool in installed()}
    offered = [
        tool
        for tool in installed().offered(caller_of(user), in_force())
        if (wanted is None or tool.name in wanted) and tool.name not in theirs
    ]
    elsewhere = [
        tool
        for tool in WebhookTool.objects.usable_by(user).order_by("name")
        if (wanted is None or tool.name in wanted) and tool.name not in theirs | ours
    ]
    schemas = [ToolSchema(tool.name, tool.description, tool.parameters) for tool in offered]
    schemas += [ToolSchema(tool.name, tool.description, tool.parameters) for tool in elsewhere]
    schemas += [
        ToolSchema(tool["name"], tool.get("description", ""), tool.get("parameters") or NO_PARAMETERS)
        for tool in brought
    ]
    tools = [_offered(tool) for tool in offered]
    tools += [_called(tool) for tool in elsewhere]
    tools += [OfferedTool(tool["name"], kind="client", seconds=brought_seconds) for tool in brought]
    return tuple(schemas), tuple(tools)


def _offered(tool: Tool) -> OfferedTool:
    return OfferedTool(
        name=tool.name,
        queue=tool.queue,
        needs_approval=tool.needs_approval,
        seconds=tool.timeout_seconds,
        idempotent=tool.idempotent,
        retries=tool.retries,
    )


def _called(tool: WebhookTool) -> OfferedTool:
    return OfferedTool(
        name=tool.name,
        kind="webhook",
        needs_approval=tool.needs_approval,
        seconds=tool.deadline_seconds,
        idempotent=tool.idempotent,
        retries=tool.retries,
        webhook=tool.pk,
    )
