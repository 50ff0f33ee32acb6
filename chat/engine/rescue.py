"""Taking over the runs of dead nodes, and giving up one's own. For the database's threads."""

from collections.abc import Sequence
from uuid import UUID

import msgspec
import structlog
from django.utils import timezone

from chat.engine.books import error_facts
from chat.engine.history import plan_to_go_on
from chat.engine.plan import RunPlan
from chat.exceptions import ChatError
from chat.models import Run

logger = structlog.get_logger(__name__)

AT_ONCE = 50


def claim_orphans(node: UUID, lease_seconds: float) -> list[RunPlan]:
    """Claims at most 50 runs that no living node works on, and plans how they go on."""
    plans = []
    orphans = Run.objects.orphaned(lease_seconds).order_by("pk").values_list("pk", "epoch")[:AT_ONCE]
    for key, epoch in list(orphans):
        if not Run.objects.claim(key, seen_epoch=epoch, node=node):
            continue
        run = Run.objects.select_related("message", "conversation", "model__provider").get(pk=key)
        try:
            plans.append(plan_to_go_on(run))
        except ChatError as error:
            logger.warning("run cannot go on", run=str(key), code=error.code, detail=error.detail)
            _fail(run, error)
    return plans


def give_up(node: UUID, runs: Sequence[str]) -> None:
    """These runs are nobody's from now on; any process may claim them at once."""
    Run.objects.open().filter(pk__in=runs, node_id=node).update(node=None)


def _fail(run: Run, error: ChatError) -> None:
    Run.objects.write(
        run.pk,
        epoch=run.epoch,
        status=Run.Status.FAILED,
        error=msgspec.to_builtins(error_facts(error)),
        finished_at=timezone.now(),
    )
