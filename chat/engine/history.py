"""What the model is shown of a conversation, and a run as it is stored."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, Literal
from uuid import UUID

import msgspec
from django.conf import settings

from chat.engine.bill import Bill
from chat.engine.billed import billed
from chat.engine.invocations import Seen, known
from chat.engine.offered_tools import tools_for
from chat.engine.offers import Offer, offer_of
from chat.engine.plan import LoopLimits, OfferedTool, RunPlan
from chat.engine.recorder import restored_steps
from chat.engine.rules_in_force import rules_in_force
from chat.engine.tool_messages import messages_of, sent_part
from chat.events.fold import RunState
from chat.exceptions import ModelNotAvailable
from chat.llm.messages import (
    ChatMessage,
    ModelRequest,
    Options,
    Part,
    ReasoningPart,
    TextPart,
    ToolSchema,
)
from chat.models import Message, Run
from chat.models.conversations import Tree

CONTINUE = (
    "Continue exactly where you stopped. Do not repeat anything and do not comment on the interruption."
)

NO_CALLS: Final[Mapping[str, Seen]] = MappingProxyType({})

StoredParts = Sequence[dict[str, Any]]


class StoredMessage(msgspec.Struct, frozen=True):
    """`model` is the `provider/model` that wrote it, "" for a user's."""

    role: str
    parts: StoredParts
    model: str = ""


def plan_of(
    run: Run,
    offer: Offer,
    path: Sequence[StoredMessage],
    *,
    rescued: RunState | None = None,
    earlier: Bill | None = None,
) -> RunPlan:
    schemas, tools = tools_of(run, offer)
    return RunPlan(
        run=str(run.pk),
        epoch=run.epoch,
        message=str(run.message_id),
        conversation=run.conversation_id,
        user=run.user_id,
        pseudonym=run.user.pseudonym,
        provider=offer.provider,
        provider_key=offer.provider_key,
        model_key=offer.model,
        dialect=offer.dialect,
        endpoint=offer.endpoint,
        api_key=offer.api_key,
        deadlines=offer.deadlines,
        limits=offer.limits,
        request=_request(
            run.options, offer, shown_messages(path, offer.full_name, calls_in(path, schemas)), schemas
        ),
        price=offer.price,
        ratios=offer.ratios,
        created_at=run.created_at,
        token=run.token_id,
        stop_requested_at=run.stop_requested_at,
        rescued=rescued,
        earlier=earlier,
        tools=tools,
        loop=loop_limits(),
        worked_seconds=run.worked_ms / 1000,
        rules=rules_in_force().for_user(run.user_id),
        following=plan_of(run, offer.following, path) if offer.following is not None else None,
    )


def plan_to_go_on(run: Run) -> RunPlan:
    """A run that was begun elsewhere, as it stands in the database. Its model is asked on, also where its user may not
    begin anything with it any more.

    Raises:
        ModelNotAvailable: its model has been deleted.
        ProviderAuth: its provider's key cannot be read.
    """
    if run.model is None:
        raise ModelNotAvailable
    parent = run.message.parent_id
    path = stored_path(Tree(run.conversation).path_to(parent)) if parent else ()
    return plan_of(run, offer_of(run.model, run.user), path, rescued=state_of(run), earlier=billed(run.pk))


def tools_of(run: Run, offer: Offer) -> tuple[tuple[ToolSchema, ...], tuple[OfferedTool, ...]]:
    """None where the run wants none, or its model takes none."""
    if "no_tools" in offer.capabilities or run.options.get("tool_choice") == "none":
        return (), ()
    return tools_for(
        run.user,
        run.options.get("tools"),
        run.options.get("client_tools") or (),
        brought_seconds=settings.CLIENT_TOOL_SECONDS,
    )


def loop_limits() -> LoopLimits:
    return LoopLimits(
        steps=settings.LOOP_STEPS,
        invocations=settings.LOOP_INVOCATIONS,
        seconds=settings.LOOP_SECONDS,
        at_once=settings.TOOLS_AT_ONCE,
        user_at_once=settings.TOOLS_PER_USER,
        approval_seconds=settings.APPROVAL_SECONDS,
    )


def calls_in(path: Sequence[StoredMessage], schemas: Sequence[ToolSchema]) -> dict[str, Seen]:
    """The invocations that earlier messages tell of; none where no tools are offered: providers refuse calls then."""
    keys = [
        part["invocation"] for message in path for part in message.parts if part.get("type") == "tool_call"
    ]
    return known(keys) if keys and schemas else {}


def stored_path(path: Sequence[UUID]) -> list[StoredMessage]:
    """These messages, in their order."""
    rows = Message.objects.filter(pk__in=path).values_list("pk", "role", "parts", "model")
    found = {key: StoredMessage(role, parts, model) for key, role, parts, model in rows}
    return [found[key] for key in path]


def shown_messages(
    stored: Sequence[StoredMessage], model: str, calls: Mapping[str, Seen] = NO_CALLS
) -> tuple[ChatMessage, ...]:
    """What `model` (`provider/model`) is shown. Its own thoughts go back to it, those of others are not for it.

    Answers without any text are left out; a path that ends in an answer is continued. `calls` are the invocations that
    are told of; the others are left out.
    """
    messages: list[ChatMessage] = []
    for message in stored:
        if message.role != "user" and any(part.get("invocation") in calls for part in message.parts):
            messages += messages_of(message.parts, calls, with_reasoning=message.model == model)
            continue
        parts = sent_parts(message.parts, with_reasoning=message.model == model)
        if any(not isinstance(part, ReasoningPart) for part in parts):
            role: Literal["user", "assistant"] = "user" if message.role == "user" else "assistant"
            messages.append(ChatMessage(role=role, parts=parts))
    if messages and messages[-1].role == "assistant":
        messages.append(ChatMessage(role="user", parts=(TextPart(CONTINUE),)))
    return tuple(messages)


def sent_parts(stored: StoredParts, *, with_reasoning: bool = False) -> tuple[Part, ...]:
    parts = (sent_part(part, with_reasoning=with_reasoning) for part in stored)
    return tuple(part for part in parts if part is not None)


def state_of(run: Run) -> RunState:
    """A run as it is stored: what a viewer is shown where the event log no longer has it."""
    return RunState.from_dict(
        {
            "status": run.status,
            "message": str(run.message_id),
            "steps": [msgspec.structs.asdict(step) for step in restored_steps(run.steps, run.message.parts)],
            "usage": run.usage or None,
            "cost": stored_money(run),
        }
    )


def stored_money(run: Run) -> dict[str, str] | None:
    return None if run.cost is None else {"amount": f"{run.cost:f}", "currency": run.currency}


def _request(
    options: dict[str, Any], offer: Offer, shown: Sequence[ChatMessage], schemas: Sequence[ToolSchema]
) -> ModelRequest:
    return ModelRequest(
        model=offer.name,
        messages=tuple(shown),
        system=options.get("system") or "",
        options=Options(
            temperature=options.get("temperature"),
            max_output_tokens=options.get("max_output_tokens") or offer.max_output_tokens,
            reasoning_effort=options.get("reasoning_effort"),
            tool_choice=options.get("tool_choice") if schemas else None,
        ),
        tools=tuple(schemas),
        stream=options.get("stream") is not False,
        capabilities=offer.capabilities,
    )
