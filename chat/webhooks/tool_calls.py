"""A worker's side of a webhook tool: claim the invocation, call its server, record the answer or wait for the callback.

Nobody is held while the server works: what it has taken waits as a row, and its callback (chat/actions/callbacks.py)
is what wakes the run.
"""

import os
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import structlog
from django.db import Error

from chat.engine.neighbours import birth_of
from chat.engine.storing import insist
from chat.engine.tool_work import HANG_SECONDS, record
from chat.exceptions import InvalidRequest, StorageUnavailable
from chat.models import ToolDelivery, ToolInvocation, WebhookTool
from chat.models.tools import TellInvocations
from chat.webhooks.payloads import encoded
from chat.webhooks.tool_answers import apply, outcome_of
from chat.webhooks.tool_protocol import Reply, Succeeded, read_reply, tool_call
from tools import runner
from tools.exceptions import ToolError, UnknownTool
from tools.json_schema import check_arguments
from tools.runner import ToolOutcome

logger = structlog.get_logger(__name__)

KEPT_CHARACTERS: Final = 1024
GONE: Final = "This tool has been switched off or removed. Do without it."

Exchange = Callable[[WebhookTool, str, bytes], Reply]
"""Signs and sends a body under a message's id, and brings the answer. Never raises."""


class ToolCaller:
    """`seconds` is what an exchange takes at most. `callback_url` is called with the invocation's id."""

    def __init__(
        self,
        exchange: Exchange,
        *,
        seconds: float,
        approval_seconds: float,
        callback_url: Callable[[str], str],
        tell: TellInvocations,
        now: Callable[[], datetime],
    ) -> None:
        self._exchange = exchange
        self._seconds = seconds
        self._approval_seconds = approval_seconds
        self._callback_url = callback_url
        self._tell = tell
        self._now = now

    def call(self, key: UUID, *, node: UUID | None, told: Callable[[str], None]) -> str:
        """How it stands then; "" where there was nothing to do, or somebody else has recorded the result.

        `told` is called with the run when its row has changed.
        """
        found = ToolInvocation.objects.select_related("user", "webhook_tool").filter(pk=key)
        invocation = found.first()
        if invocation is None or invocation.status != ToolInvocation.Status.PENDING:
            return ""
        tool = invocation.webhook_tool
        if tool is not None and tool.needs_approval and invocation.decision != "approve":
            # Staff have said so since it was asked for.
            held = ToolInvocation.objects.hold(key, seconds=self._approval_seconds, tell=self._tell)
            told(str(invocation.run_id))
            return ToolInvocation.Status.WAITING if held else ""
        epoch = ToolInvocation.objects.claim(
            key, node=node, birth=birth_of(os.getpid()), seconds=self._seconds + HANG_SECONDS
        )
        if epoch is None:
            return ""
        invocation.attempts += 1
        run = str(invocation.run_id)
        told(run)
        status = self._settle(invocation, epoch)
        told(run)
        return status

    def call_again(self, key: UUID, *, told: Callable[[str, bool], None]) -> str:
        """One that waits for its callback, under the same id: its server may have lost it. How it stands then; "" where
        it does not wait.

        `told` is called with the run, and whether it was parked, when there is a result.
        """
        found = ToolInvocation.objects.called().select_related("user", "webhook_tool").filter(pk=key)
        invocation = found.filter(status=ToolInvocation.Status.WAITING).first()
        if invocation is None:
            return ""
        run = str(invocation.run_id)
        try:
            deadline = invocation.deadline_at or self._now()
            answer = read_reply(self._sent(invocation, _tool_of(invocation), deadline, again=True))
            if answer is not None:
                apply(invocation, answer, tell=self._tell, told=lambda parked: told(run, parked))
                return "succeeded" if isinstance(answer, Succeeded) else "failed"
        except (ToolError, InvalidRequest) as error:
            # It still waits: who did not take it the second time may have taken it the first time, and may have called
            # back meanwhile.
            logger.warning("webhook tool not called again", invocation=str(key), reason=str(error))
        return ToolInvocation.Status.WAITING

    def _settle(self, invocation: ToolInvocation, epoch: int) -> str:
        retries, tool = 0, invocation.webhook_tool
        try:
            tool = _tool_of(invocation)
            retries = tool.retries
            deadline = self._now() + timedelta(seconds=tool.deadline_seconds)
            answer = read_reply(self._sent(invocation, tool, deadline))
            if answer is None:
                left = max(0.0, (deadline - self._now()).total_seconds())
                waits = insist(
                    lambda: ToolInvocation.objects.wait(
                        invocation.pk,
                        epoch=epoch,
                        waits_for=ToolInvocation.Waits.CALLBACK,
                        seconds=left,
                        tell=self._tell,
                    )
                )
                return ToolInvocation.Status.WAITING if waits else ""
            outcome = outcome_of(answer, tool.max_result_bytes)
        except ToolError as error:
            outcome = runner.outcome_of(error)
        except (StorageUnavailable, Error):
            raise
        except Exception as error:  # a bug of ours must end the call in words, not leave it to be found lost
            logger.exception("webhook tool broke", invocation=str(invocation.pk))
            outcome = _broken(invocation.name, error)
        return record(invocation, epoch, outcome, retries, self._tell)

    def _sent(
        self, invocation: ToolInvocation, tool: WebhookTool, deadline: datetime, *, again: bool = False
    ) -> Reply:
        key = str(invocation.pk)
        body = encoded(
            tool_call(
                invocation=key,
                name=invocation.name,
                arguments=_arguments(invocation, tool),
                callback_url=self._callback_url(key),
                deadline=deadline,
            )
        )
        reply = self._exchange(tool, key, body.encode())
        delivery = ToolDelivery(
            invocation=invocation,
            attempt=invocation.attempts,
            again=again,
            url=tool.url,
            status=reply.status,
            error=reply.error[:300],
            response=reply.body[:KEPT_CHARACTERS],
            duration_ms=reply.duration_ms,
        )
        # Where the line broke at its commit it is there already.
        insist(lambda: ToolDelivery.objects.bulk_create([delivery], ignore_conflicts=True))
        logger.info(
            "webhook tool called",
            tool=tool.name, invocation=key, status=reply.status, reason=reply.error, duration_ms=reply.duration_ms,
        )  # fmt: skip
        return reply


def _broken(name: str, error: Exception) -> ToolOutcome:
    words = f"The call of {name} broke on this side ({type(error).__name__}). Nobody knows what its server has done."
    return ToolOutcome("failed", words, words, "broken")


def _tool_of(invocation: ToolInvocation) -> WebhookTool:
    """
    Raises:
        UnknownTool: removed, switched off, or not this user's any more.
    """
    key = invocation.webhook_tool_id
    tool = WebhookTool.objects.usable_by(invocation.user).filter(pk=key).first() if key else None
    if tool is None:
        raise UnknownTool(GONE)
    return tool


def _arguments(invocation: ToolInvocation, tool: WebhookTool) -> dict[str, Any]:
    """
    Raises:
        BadArguments: not as the tool's schema wants them; nothing is sent.
    """
    return check_arguments(tool.name, tool.parameters, invocation.effective_arguments)
