"""What the model is shown of a conversation, and everything else a run needs, read from the database."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec
from django.conf import settings

from chat.conf import Deadlines
from chat.engine.plan import RunPlan
from chat.engine.recorder import restored_steps
from chat.events.fold import RunState
from chat.exceptions import ModelNotAvailable
from chat.llm.client import Endpoint
from chat.llm.messages import ChatMessage, ImagePart, ModelRequest, Options, Part, RefusalPart, TextPart
from chat.models import Conversation, LanguageModel, Message, Provider, Run
from chat.models.conversations import Tree
from chat.usage.pricing import PriceList

CONTINUE = (
    "Continue exactly where you stopped. Do not repeat anything and do not comment on the interruption."
)


def plan_of(run: Run) -> RunPlan:
    """Everything to make this run under its present epoch.

    Raises:
        ModelNotAvailable: its model has been deleted.
        ProviderAuth: its provider's key cannot be read.
    """
    model = run.model
    if model is None:
        raise ModelNotAvailable
    provider = model.provider
    price = model.price_at()
    return RunPlan(
        run=str(run.pk),
        epoch=run.epoch,
        message=str(run.message_id),
        conversation=run.conversation_id,
        user=run.user_id,
        provider=provider.name,
        dialect=provider.dialect,
        endpoint=Endpoint(base_url=provider.base_url.rstrip("/"), headers=provider.headers),
        api_key=provider.read_key(),
        deadlines=deadlines_of(provider),
        request=request_of(run, model),
        price=PriceList.of(price) if price is not None else None,
        created_at=run.created_at,
        stop_requested_at=run.stop_requested_at,
        rescued=state_of(run) if run.epoch > 1 else None,
    )


def deadlines_of(provider: Provider) -> Deadlines:
    return Deadlines(
        connect_seconds=provider.connect_seconds or settings.CONNECT_SECONDS,
        first_token_seconds=provider.first_token_seconds or settings.FIRST_TOKEN_SECONDS,
        idle_seconds=provider.idle_seconds or settings.IDLE_SECONDS,
        total_seconds=provider.total_seconds or settings.TOTAL_SECONDS,
    )


def request_of(run: Run, model: LanguageModel) -> ModelRequest:
    options = run.options
    messages = shown_messages(run.conversation, run.message.parent_id)
    return ModelRequest(
        model=model.name,
        messages=messages,
        system=options.get("system") or "",
        options=Options(
            temperature=options.get("temperature"),
            max_output_tokens=options.get("max_output_tokens") or model.max_output_tokens,
            reasoning_effort=options.get("reasoning_effort"),
        ),
        stream=options.get("stream") is not False,
        capabilities=frozenset(model.capabilities),
    )


def shown_messages(conversation: Conversation, last: UUID | None) -> tuple[ChatMessage, ...]:
    """The path down to `last`. Answers without any text are left out; a path that ends in an answer is continued."""
    if last is None:
        return ()
    path = Tree(conversation).path_to(last)
    rows = {row.pk: row for row in Message.objects.filter(pk__in=path).only("role", "parts")}
    messages = []
    for key in path:
        parts = sent_parts(rows[key].parts)
        if parts:
            messages.append(
                ChatMessage(role="user" if rows[key].role == "user" else "assistant", parts=parts)
            )
    if messages and messages[-1].role == "assistant":
        messages.append(ChatMessage(role="user", parts=(TextPart(CONTINUE),)))
    return tuple(messages)


def sent_parts(stored: Sequence[dict[str, Any]]) -> tuple[Part, ...]:
    parts: list[Part] = []
    for part in stored:
        match part:
            case {"type": "text", "text": str(text)} if text:
                parts.append(TextPart(text))
            case {"type": "refusal", "text": str(text)} if text:
                parts.append(RefusalPart(text))
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
