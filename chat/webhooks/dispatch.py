"""The way into the outbox: a row within the caller's transaction, and a hint to the workers after its commit."""

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

import structlog
from django.db import transaction

from chat.models import WebhookDelivery
from chat.webhooks.payloads import EVENTS, encoded

logger = structlog.get_logger(__name__)


class Outbox:
    """`hint` is called after the commit of whatever wrote rows. It must return at once, and may fail: the rows are
    found anyway by the sweep (project/schedule.py)."""

    def __init__(self, hint: Callable[[], object]) -> None:
        self._hint = hint

    def enqueue(self, user: UUID, event: str, payload: Mapping[str, Any]) -> int:
        """To be called inside the transaction that makes the event true; how many endpoints will be told.

        One statement, whether the user has endpoints or not.

        Raises:
            ValueError: no such event.
        """
        if event not in EVENTS or payload.get("event") != event:
            raise ValueError(f"{event} is no event of outgoing webhooks")
        told = WebhookDelivery.objects.enqueue(user, event, encoded(payload))
        if told:
            transaction.on_commit(self._hint, robust=True)
        return told


class Nudge:
    """Calls `send` soon, on a thread of its own, however many ask for it meanwhile.

    A broker that hangs costs seconds; whoever commits the end of a run has none. The queue is one flag: a hint beside
    one that waits is the same hint. Between two there is a rest, so that hints that nobody takes do not pile up.
    """

    def __init__(
        self,
        send: Callable[[], object],
        *,
        rest_seconds: float = 0.2,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._send = send
        self._rest_seconds = rest_seconds
        self._sleep = sleep
        self._lock = threading.Lock()
        self._wanted = False
        self._sending = False

    def __call__(self) -> None:
        with self._lock:
            self._wanted = True
            if self._sending:
                return
            self._sending = True
        threading.Thread(target=self._send_while_wanted, name="webhook-hint", daemon=True).start()

    def _send_while_wanted(self) -> None:
        while self._take():
            try:
                self._send()
            except Exception as error:  # noqa: BLE001  (the sweep finds what there is)
                logger.warning("no hint of webhooks sent", reason=repr(error))
            self._sleep(self._rest_seconds)

    def _take(self) -> bool:
        with self._lock:
            wanted, self._wanted = self._wanted, False
            self._sending = wanted
            return wanted
