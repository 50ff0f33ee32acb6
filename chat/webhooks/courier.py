"""Carries what is due to its receivers: claim, sign, send, settle, and the next one."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Final

import structlog
from msgspec import Struct

from chat.exceptions import ChatError
from chat.models import WebhookDelivery, WebhookEndpoint
from chat.webhooks import claims
from chat.webhooks.backoff import pause_seconds
from chat.webhooks.claims import ClaimRules, Verdict
from chat.webhooks.delivery import Answer, NotDelivered
from chat.webhooks.signing import sign

logger = structlog.get_logger(__name__)

GONE: Final = 410

Post = Callable[[str, Mapping[str, str], bytes], Awaitable[Answer]]


class CourierRules(Struct, frozen=True):
    claim: ClaimRules
    failing_days: float
    """0: an endpoint that fails is never switched off."""
    senders: int
    """Threads of one process that carry at the same time; who comes beside them goes away again."""
    turn_seconds: float
    """After so long a sender lets other tasks of its queue have the thread."""


class Courier:
    """One a process. Several processes need nothing of each other: who sends what is decided by the rows."""

    def __init__(
        self,
        post: Post,
        rules: CourierRules,
        *,
        clock: Callable[[], float],
        now: Callable[[], datetime],
        uniform: Callable[[float, float], float],
        more: Callable[[], object],
    ) -> None:
        """`more` asks for another sender, here or in another process."""
        self._post = post
        self._rules = rules
        self._clock = clock
        self._now = now
        self._uniform = uniform
        self._more = more
        self._places = threading.BoundedSemaphore(rules.senders)

    def deliver_due(self) -> int:
        """Sends until nothing is due that may be sent now; how many were tried. For a thread without an event loop."""
        if not self._places.acquire(blocking=False):
            return 0
        try:
            with asyncio.Runner() as runner:
                return self._carry(lambda delivery: runner.run(self._send(delivery)))
        finally:
            self._places.release()

    def _carry(self, send: Callable[[WebhookDelivery], Verdict]) -> int:
        tried, until = 0, self._clock() + self._rules.turn_seconds
        while delivery := claims.claim_next(self._rules.claim):
            # The first that finds something calls a second, which calls a third if there is enough for it, too.
            if not tried and claims.anything_due(self._rules.claim):
                self._more()
            self._settle(delivery, send(delivery))
            tried += 1
            if self._clock() > until:
                self._more()
                break
        return tried

    async def _send(self, delivery: WebhookDelivery) -> Verdict:
        body = delivery.payload.encode()
        began = self._clock()
        try:
            secrets = delivery.endpoint.secrets_at(self._now())
            headers = sign(secrets, str(delivery.pk), int(self._now().timestamp()), body)
            answer = await self._post(delivery.endpoint.url, headers, body)
        except NotDelivered as error:
            return Verdict(delivered=False, error=str(error), duration_ms=self._since(began))
        except (ChatError, ValueError) as error:
            logger.warning("webhook not signed", endpoint=str(delivery.endpoint_id), reason=repr(error))
            return Verdict(delivered=False, error="It could not be signed: the endpoint needs a new secret.")
        return Verdict(
            delivered=answer.succeeded,
            status=answer.status,
            error="" if answer.succeeded else _refusal(answer.status),
            response=answer.body,
            duration_ms=self._since(began),
            retry_after_seconds=answer.retry_after_seconds,
            gone=answer.status == GONE,
        )

    def _settle(self, delivery: WebhookDelivery, verdict: Verdict) -> None:
        endpoint = delivery.endpoint_id
        log = logger.bind(delivery=str(delivery.pk), endpoint=str(endpoint), attempt=delivery.attempts)
        if verdict.delivered:
            claims.settle_delivered(delivery, verdict)
            log.info("webhook delivered", status=verdict.status, duration_ms=verdict.duration_ms)
            return
        asked = verdict.retry_after_seconds
        pause = pause_seconds(delivery.attempts, asked_seconds=asked, uniform=self._uniform)
        if verdict.gone or pause is None:
            claims.settle_dead(delivery, verdict)
        else:
            claims.settle_later(delivery, verdict, pause)
        log.warning("webhook not delivered", status=verdict.status, reason=verdict.error, again_in=pause)
        if verdict.gone:
            WebhookEndpoint.objects.switch_off(endpoint, WebhookEndpoint.Off.GONE)
        else:
            claims.note_failure(endpoint, paused_seconds=asked, failing_days=self._rules.failing_days)

    def _since(self, began: float) -> int:
        return round((self._clock() - began) * 1000)


def _refusal(status: int) -> str:
    return f"HTTP {status}, a redirect, which is not followed." if 300 <= status < 400 else f"HTTP {status}"
