"""What tests of deliveries do to time, and how many do something at once."""

import threading
from collections.abc import Callable
from datetime import timedelta

from django.db import connections
from django.db.models.functions import Now

from chat.models import WebhookDelivery, WebhookEndpoint


def let_time_pass() -> None:
    """What waits is due now, and leases have ended."""
    past = Now() - timedelta(seconds=1)
    WebhookDelivery.objects.pending().update(next_attempt_at=past)
    WebhookDelivery.objects.pending().exclude(claimed_until=None).update(claimed_until=past)
    WebhookEndpoint.objects.exclude(paused_until=None).update(paused_until=past)


def at_once(threads: int, do: Callable[[], list]) -> list:
    """What all of them brought, each on a thread and a connection of its own, begun at the same moment."""
    found, barrier = [], threading.Barrier(threads)

    def work() -> None:
        barrier.wait(10)
        try:
            found.extend(do())
        finally:
            connections.close_all()

    working = [threading.Thread(target=work) for _ in range(threads)]
    for thread in working:
        thread.start()
    for thread in working:
        thread.join(30)
    return found
