"""What the model is shown of a conversation, and a run as it is stored."""

from collections.abc import Sequence
from typing import Any, Literal
from uuid import UUID

import msgspec

from chat.engine.offers import Offer, offer_of
from chat.engine.plan import RunPlan
from chat.engine.recorder import restored_steps
from chat.events.fold import RunState
from chat.exceptions import ModelNotAvailable
from chat.llm.messages import (
    ChatMessage,
    ImagePart,
    ModelRequest,
    Options,
    Part,
    ReasoningPart,
    RefusalPart,
    TextPart,
)
from chat.models import Message, Run
from chat.models.conversations import Tree

CONTINUE = (
    "Continue exactly where you stopped. Do not repeat anything and do not comment on the interruption."
)

StoredParts = Sequence[dict[str, Any]]


class StoredMessage(msgspec.Struct, frozen=True):
    """`model` is the `provider/model` that wrote it, "" for a user's."""

    role: str
    parts: StoredParts
    model: str = ""


def plan_of(
    run: Run, offer: Offer, path: Sequence[StoredMessage], *, rescued: RunState | None = None
) -> RunPlan:
    return RunPlan(
        run=str(run.pk),
        epoch=run.epoch,
        message=str(run.message_id),
        conversation=run.conversation_id,
        user=run.user_id,
        provider=offer.provider,
        provider_key=offer.provider_key,
        model_key=offer.model,
        dialect=offer.dialect,
        endpoint=offer.endpoint,
        api_key=offer.api_key,
        deadlines=offer.deadlines,
        limits=offer.limits,
        request=_request(run.options, offer, shown_messages(path, offer.full_name)),
        price=offer.price,
        created_at=run.created_at,
        stop_requested_at=run.stop_requested_at,
        rescued=rescued,
        following=plan_of(run, offer.following, path) if offer.following is not None else None,
    )


def plan_to_go_on(run: Run) -> RunPlan:
    """A run that was begun elsewhere, as it stands in the database.

    Raises:
        ModelNotAvailable: its model has been deleted.
        ProviderAuth: its provider's key cannot be read.
    """
    if run.model is None:
        raise ModelNotAvailable
    parent = run.message.parent_id
    path = stored_path(Tree(run.conversation).path_to(parent)) if parent else ()
    return plan_of(run, offer_of(run.model), path, rescued=state_of(run))


def stored_path(path: Sequence[UUID]) -> list[StoredMessage]:
    """These messages, in their order."""
    rows = Message.objects.filter(pk__in=path).values_list("pk", "role", "parts", "model")
    found = {key: StoredMessage(role, parts, model) for key, role, parts, model in rows}
    return [found[key] for key in path]


def shown_messages(stored: Sequence[StoredMessage], model: str) -> tuple[ChatMessage, ...]:
    """What `model` (`provider/model`) is shown. Its own thoughts go back to it, those of others are not for it.

    Answers without any text are left out; a path that ends in an answer is continued.
    """
    messages = []
    for message in stored:
        parts = sent_parts(message.parts, with_reasoning=message.model == model)
        if any(not isinstance(part, ReasoningPart) for part in parts):
            role: Literal["user", "assistant"] = "user" if message.role == "user" else "assistant"
            messages.append(ChatMessage(role=role, parts=parts))
    if messages and messages[-1].role == "assistant":
        messages.append(ChatMessage(role="user", parts=(TextPart(CONTINUE),)))
    return tuple(messages)


def sent_parts(stored: StoredParts, *, with_reasoning: bool = False) -> tuple[Part, ...]:
    parts: list[Part] = []
    for part in stored:
        match part:
            case {"type": "text", "text": str(text)} if text:
                parts.append(TextPart(text))
            case {"type": "refusal", "text": str(text)} if text:
                parts.append(RefusalPart(text))
            case {"type": "reasoning", "text": str(text)} if with_reasoning:
                parts.append(ReasoningPart(text, part.get("opaque")))
            case {"type": "image", "url": str(url)} if url:
                parts.append(ImagePart(url=url))
    return tuple(parts)


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


def _request(options: dict[str, Any], offer: Offer, shown: Sequence[ChatMessage]) -> ModelRequest:
    return ModelRequest(
        model=offer.name,
        messages=tuple(shown),
        system=options.get("system") or "",
        options=Options(
            temperature=options.get("temperature"),
            max_output_tokens=options.get("max_output_tokens") or offer.max_output_tokens,
            reasoning_effort=options.get("reasoning_effort"),
        ),
        stream=options.get("stream") is not False,
        capabilities=offer.capabilities,
    )
