"""Writing the heads of the audit log out, to where the settings say."""

import asyncio
import time
from functools import partial
from pathlib import Path

import structlog
from django.conf import settings
from django.utils import timezone

from chat.audit import heads
from chat.audit.walk import Broken
from chat.webhooks.delivery import NotDelivered, Post
from chat.webhooks.signing import sign
from chat.wiring.audit import seals
from tools.conf import outbound_policy

logger = structlog.get_logger(__name__)


def write_heads(*, of_now: bool = False) -> dict[str, int]:
    """One for each day that has ended, and one of this moment if asked for; how many were made, filed and sent. Safe to
    be run early, twice, at once, or once too seldom: days that were missed are caught up with.

    Raises:
        Broken: the chain does not fit. What was made before is written out all the same.
    """
    broken = None
    made = 0
    try:
        made = len(heads.make_due(timezone.now(), seals()))
        if of_now:
            heads.make_now(timezone.now(), seals())
            made += 1
    except Broken as error:
        logger.exception("the audit log does not fit: run manage.py verify_audit", reason=str(error))
        broken = error
    done = {"made": made, "filed": heads.file_due(Path(settings.AUDIT_HEADS_FILE), timezone.now), "sent": 0}
    if settings.AUDIT_HEADS_URL:
        post = Post(outbound_policy(), seconds=settings.WEBHOOK_SECONDS)
        done["sent"] = heads.send_due(partial(_send, post), timezone.now)
    if broken is not None:
        raise broken
    return done


def _send(post: Post, message: str, body: bytes) -> bool:
    try:
        headers = sign([settings.AUDIT_HEADS_SECRET], message, int(time.time()), body)
        answer = asyncio.run(post(settings.AUDIT_HEADS_URL, headers, body))
    except (NotDelivered, ValueError) as error:
        logger.exception("the head of the audit log was not taken", reason=str(error))
        return False
    if not answer.succeeded:
        logger.error("the head of the audit log was not taken", reason=f"HTTP {answer.status}")
    return answer.succeeded
