"""The outbox and who empties it, with the figures of the settings."""

import random
import time
from collections.abc import Collection
from functools import cache
from typing import Any, Final
from uuid import UUID

import structlog
from celery import current_app
from django.conf import settings
from django.urls import reverse
from django.utils import timezone

from chat.engine.loop import read_arguments
from chat.engine.recorder import Ending
from chat.models import ToolInvocation
from chat.webhooks.claims import ClaimRules
from chat.webhooks.courier import Courier, CourierRules
from chat.webhooks.delivery import Post
from chat.webhooks.dispatch import Nudge, Outbox
from chat.webhooks.payloads import (
    RUN_FINISHED,
    Payload,
    function_call_completed,
    invocation_waiting,
    run_finished,
)
from chat.webhooks.tool_calls import ToolCaller
from chat.webhooks.tool_post import ToolPost
from chat.webhooks.tool_protocol import MOST_BODY_BYTES
from tools.conf import outbound_policy
from tools.exceptions import ToolFailed

logger = structlog.get_logger(__name__)

DELIVER: Final = "webhooks.deliver"
"""The task, by its name: the tasks stand above this room."""
HINT_EXPIRES_SECONDS: Final = 10
TURN_SECONDS: Final = 20.0


def _ask_for_sender() -> None:
    current_app.send_task(DELIVER, expires=HINT_EXPIRES_SECONDS)


hint: Final = Nudge(_ask_for_sender)
outbox: Final = Outbox(hint)


@cache
def courier() -> Courier:
    """This process's own."""
    rules = CourierRules(
        claim=ClaimRules(lease_seconds=settings.WEBHOOK_LEASE_SECONDS, at_once=settings.WEBHOOK_AT_ONCE),
        failing_days=settings.WEBHOOK_FAILING_DAYS,
        senders=settings.WEBHOOK_SENDERS,
        turn_seconds=TURN_SECONDS,
    )
    return Courier(
        Post(outbound_policy(), seconds=settings.WEBHOOK_SECONDS),
        rules,
        clock=time.monotonic,
        now=timezone.now,
        uniform=random.uniform,
        more=hint,
    )


@cache
def tool_caller() -> ToolCaller:
    """This process's own."""
    seconds = settings.WEBHOOK_TOOL_SECONDS
    post = Post(outbound_policy(), seconds=seconds, most_kept=MOST_BODY_BYTES)
    return ToolCaller(
        ToolPost(post, clock=time.monotonic, now=timezone.now),
        seconds=seconds,
        approval_seconds=settings.APPROVAL_SECONDS,
        callback_url=callback_url,
        tell=tell_invocations,
        now=timezone.now,
    )


def callback_url(invocation: str) -> str:
    """Where the server of a webhook tool says what came of a call.

    Raises:
        ToolFailed: a worker of its own does not know where the site is.
    """
    if not settings.PUBLIC_URL:
        logger.error("webhook tools need PUBLIC_URL, so that their servers can call back")
        raise ToolFailed("This tool is not set up: the site does not know its own address.")
    path: str = reverse("callbacks:invocation", args=[invocation])
    return settings.PUBLIC_URL.rstrip("/") + path


def tell_end(ending: Ending) -> None:
    """Within the transaction that ends a run."""
    payload = run_finished(
        run=ending.run,
        conversation=str(ending.conversation),
        message=ending.message,
        model=ending.model,
        columns=ending.columns,
        finished_at=ending.finished_at,
    )
    outbox.enqueue(ending.user, RUN_FINISHED, payload)


def tell_invocations(keys: Collection[UUID]) -> None:
    """Within the transaction in which they began to wait, or have ended (chat.models.tools.TellInvocations)."""
    for row in ToolInvocation.objects.filter(pk__in=keys).heard_of():
        if (payload := _news_of(row)) is not None:
            outbox.enqueue(row.user_id, payload["event"], payload)


def _news_of(row: ToolInvocation) -> Payload | None:
    about: dict[str, Any] = {"invocation": str(row.pk), "run": str(row.run_id), "function": row.name}
    if row.ended:
        at = row.finished_at or timezone.now()
        return function_call_completed(**about, status=row.status, result=row.result, at=at)
    if row.status == ToolInvocation.Status.WAITING:
        arguments = read_arguments(row.effective_arguments)
        waits_for: Any = row.waits_for  # of a closed set
        return invocation_waiting(**about, arguments=arguments, waits_for=waits_for, at=timezone.now())
    return None
