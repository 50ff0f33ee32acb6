"""Celery tasks: thin shells around functions that do the work."""

from datetime import timedelta
from uuid import UUID

import structlog
from celery import shared_task
from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings
from django.utils import timezone

from chat import wiring
from chat.attachments.retention import prune_attachments
from chat.engine import retention, tool_work
from chat.engine.billed import close_forgotten
from chat.engine.conversation_retention import prune_conversations
from chat.engine.worker_node import own_node
from chat.usage.calibration import calibrate
from chat.usage.quota_retention import prune_quotas
from chat.webhooks.retention import REMEMBER_PROGRESS, prune_deliveries, prune_progress
from chat.wiring.attachments import contents, files_of
from chat.wiring.audit_heads import write_heads
from chat.wiring.sending import CALL_TOOL, CALL_WEBHOOK_TOOL, CALL_WEBHOOK_TOOL_AGAIN
from chat.wiring.webhooks import DELIVER, courier, tell_invocations, tool_caller

logger = structlog.get_logger(__name__)


@shared_task
def prune() -> dict[str, int]:
    """Drops what has expired; returns how many of each."""
    dropped = retention.prune(
        timezone.now(),
        wire_log_days=settings.WIRE_LOG_DAYS,
        wire_log_bytes=settings.WIRE_LOG_TOTAL_BYTES,
    )
    kept = timedelta(days=settings.WEBHOOK_DAYS)
    dropped["webhook_deliveries"] = prune_deliveries(timezone.now() - kept)
    dropped["tool_progress"] = prune_progress(timezone.now() - REMEMBER_PROGRESS)
    days = settings.RETENTION_DAYS
    dropped["conversations"] = prune_conversations(timezone.now() - timedelta(days=days)) if days else 0
    dropped |= prune_attachments(timezone.now(), contents())
    dropped |= prune_quotas(timezone.now())
    # Longer than any call takes, and whoever takes a run over has had the time.
    dropped["forgotten_calls"] = close_forgotten(timezone.now() - timedelta(hours=1))
    logger.info("pruned", **dropped)
    return dropped


@shared_task
def write_audit_heads() -> dict[str, int]:
    """Writes out the heads of the audit log that are due; how many."""
    return write_heads()


@shared_task
def calibrate_estimates() -> int:
    """Learns from what models have reported; how many are estimated otherwise now."""
    return calibrate(timezone.now())


@shared_task(name=DELIVER)
def deliver_webhooks() -> int:
    """Sends what is due; how many attempts that were. Safe to be run early, twice, at once, or once too seldom."""
    return courier().deliver_due()


@shared_task(name=CALL_TOOL)
def call_tool(invocation: str) -> str:
    """Runs one tool invocation, if nobody else does."""
    return tool_work.work(
        UUID(invocation),
        node=_node(),
        told=wiring.tell_of_tool,
        tell=tell_invocations,
        files_of=files_of,
        interrupts=(SoftTimeLimitExceeded,),
        approval_seconds=settings.APPROVAL_SECONDS,
    )


@shared_task(name=CALL_WEBHOOK_TOOL)
def call_webhook_tool(invocation: str) -> str:
    """Calls the server of a webhook tool, if nobody else does; what it takes longer for comes by a callback."""
    return tool_caller().call(UUID(invocation), node=_node(), told=wiring.tell_of_tool)


@shared_task(name=CALL_WEBHOOK_TOOL_AGAIN)
def call_webhook_tool_again(invocation: str) -> str:
    """By hand: one that waits for its callback."""
    return tool_caller().call_again(UUID(invocation), told=wiring.tell_of_answer)


def _node() -> UUID | None:
    runtime = wiring.running()
    return runtime.node if runtime is not None else own_node()
