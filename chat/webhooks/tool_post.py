"""Signs what is said to the server of a webhook tool, sends it, and brings the answer."""

import asyncio
from collections.abc import Callable
from datetime import datetime

import structlog

from chat.exceptions import ChatError
from chat.models import WebhookTool
from chat.webhooks.delivery import NotDelivered, Post
from chat.webhooks.signing import sign
from chat.webhooks.tool_protocol import Reply

logger = structlog.get_logger(__name__)


class ToolPost:
    """For threads without an event loop, several at once."""

    def __init__(self, post: Post, *, clock: Callable[[], float], now: Callable[[], datetime]) -> None:
        self._post = post
        self._clock = clock
        self._now = now

    def __call__(self, tool: WebhookTool, message: str, body: bytes) -> Reply:
        began = self._clock()
        try:
            headers = sign(tool.secrets_at(self._now()), message, int(self._now().timestamp()), body)
        except (ChatError, ValueError) as error:
            logger.warning("webhook tool's call not signed", tool=tool.name, reason=repr(error))
            return Reply(error="It could not be signed: the tool needs a new secret.")
        try:
            answer = asyncio.run(self._post(tool.url, headers, body, within_seconds=tool.deadline_seconds))
        except NotDelivered as error:
            return Reply(error=str(error), duration_ms=self._since(began))
        if answer.status == 200 and not answer.whole:
            return Reply(
                error="The answer broke off, or is larger than 1 MB.",
                body=answer.body,
                duration_ms=self._since(began),
            )
        return Reply(
            answer.status,
            body=answer.body,
            retry_after_seconds=answer.retry_after_seconds,
            duration_ms=self._since(began),
        )

    def _since(self, began: float) -> int:
        return round((self._clock() - began) * 1000)
