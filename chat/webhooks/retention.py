"""What of webhooks, in both directions, is given up or dropped when its time has come."""

from datetime import datetime, timedelta
from typing import Final

from django.db.models import Count, Subquery

from chat.models import ToolCallback, WebhookDelivery, WebhookEndpoint

STEP: Final = 500
MOST_PENDING: Final = 10_000
"""For one endpoint. Of more, the oldest are given up: a receiver that is away for days gets what is newest."""

REMEMBER_PROGRESS: Final = timedelta(hours=1)
"""Beyond the minutes in which a signature is taken (`signing.TOLERANCE_SECONDS`)."""


def prune_deliveries(before: datetime) -> int:
    """Gives up what waits too long, or with too many others; drops what ended before then. Returns how many went."""
    WebhookDelivery.objects.unclaimed().filter(created_at__lt=before).give_up("It has waited too long.")
    _give_up_the_oldest(MOST_PENDING)
    # An endpoint that was deleted while something was written for it has left that behind.
    left_behind = WebhookDelivery.objects.exclude(endpoint__in=WebhookEndpoint.objects.all())
    dropped, _ = left_behind.delete()
    while going := list(
        WebhookDelivery.objects.filter(finished_at__lt=before).values_list("pk", flat=True)[:STEP]
    ):
        WebhookDelivery.objects.filter(pk__in=going).delete()
        dropped += len(going)
    return dropped


def prune_progress(before: datetime) -> int:
    """Drops what is known of progress that was told before then; how many. A webhook tool may tell of it for days, as
    often as it likes, and each message is known only so that it counts once."""
    dropped = 0
    told = ToolCallback.objects.filter(accepted=True, what="progress", created_at__lt=before)
    while going := list(told.values_list("pk", flat=True)[:STEP]):
        dropped += ToolCallback.objects.filter(pk__in=going).delete()[0]
    return dropped


def _give_up_the_oldest(most: int) -> None:
    counts = WebhookDelivery.objects.pending().order_by().values("endpoint").annotate(count=Count("pk"))
    for endpoint in counts.filter(count__gt=most).values_list("endpoint", flat=True):
        waiting = WebhookDelivery.objects.pending().filter(endpoint=endpoint).order_by("-pk")
        # In the same statement: meanwhile there may be fewer, and then none is older than what is not there.
        newest = Subquery(waiting.values("pk")[most - 1 : most])
        WebhookDelivery.objects.unclaimed().filter(endpoint=endpoint, pk__lt=newest).give_up(
            f"More than {most} were waiting for this endpoint."
        )
