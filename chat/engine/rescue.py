"""Taking over the runs that nobody makes, and giving up one's own. For the database's threads."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

import msgspec
import structlog
from django.db import Error, transaction
from django.utils import timezone
from msgspec import Struct

from chat.engine.billed import billed, close_left_open, figures_of
from chat.engine.books import error_facts
from chat.engine.database import is_locked, is_unavailable
from chat.engine.history import plan_to_go_on
from chat.engine.invocations import wake_late
from chat.engine.neighbours import gone, place_of
from chat.engine.plan import RunPlan
from chat.engine.recorder import Ending, TellEnd
from chat.exceptions import ChatError, Internal, StaleEpoch
from chat.llm.deltas import Usage
from chat.models import ModelCall, Node, Run, ToolInvocation
from chat.models.base import new_id
from chat.models.tools import TellInvocations, tell_nobody
from chat.models.usage import LOST, UNDER_WAY
from chat.usage.estimates import Measured, estimate_input, estimate_stored
from chat.usage.ledger import columns_of, write_calls
from chat.usage.pricing import PriceList, charged, estimate_tokens
from chat.usage.reservations import release_stale, settle

logger = structlog.get_logger(__name__)

AT_ONCE = 50
MOST_TAKEOVERS = 20
"""A run that was taken over as often, and never came further, has something about it that ends its maker."""


class Lost(Struct, frozen=True):
    """A run that could not be gone on with; it has failed in the database."""

    run: UUID
    user: UUID
    conversation: UUID
    message: UUID


class Tell(Struct, frozen=True):
    """Who hears, within the transaction, of a run that has failed and of what became of its tools."""

    end: TellEnd | None
    invocations: TellInvocations


class Rescued(Struct, frozen=True):
    plans: list[RunPlan]
    lost: list[Lost]


def claim_orphans(
    node: UUID,
    *,
    birth: str,
    lease_seconds: float,
    by_silence: bool,
    made_here: Collection[str],
    tell_end: TellEnd | None = None,
    tell_invocations: TellInvocations = tell_nobody,
) -> Rescued:
    """Claims at most 50 runs that nobody works on, and plans how they go on. What was claimed is never dropped.

    `birth` is that of `node`'s process. `by_silence`: nodes not heard of for a lease have lost their runs; else only
    those that have stopped, or whose process is gone from this machine.
    """
    bury_neighbours(birth)
    wake_late(AT_ONCE, tell=tell_invocations)
    tell = Tell(tell_end, tell_invocations)
    rescued = Rescued([], [])
    # Our own node may look dead to us, too: what it has is another question.
    orphans = Run.objects.orphaned(lease_seconds if by_silence else None).exclude(node=node)
    found = list(orphans.order_by("pk").values_list("pk", "epoch", "node")[:AT_ONCE])
    found += [(*lost, node) for lost in Run.objects.lost_by(node, lease_seconds, made_here=made_here)]
    for key, epoch, maker in found[:AT_ONCE]:
        try:
            taken = _claim_and_plan(key, epoch, node, given_up=maker is None, tell=tell)
        except StaleEpoch:
            continue
        except Error as error:
            if not is_unavailable(error):
                # Neither what was claimed before it nor what stands behind it shall wait because of it.
                logger.exception("run cannot be taken over", run=str(key))
                continue
            logger.warning("run not taken over yet", run=str(key), reason=str(error).strip())
            if not is_locked(error):
                break
        else:
            if isinstance(taken, RunPlan):
                rescued.plans.append(taken)
            elif taken is not None:
                rescued.lost.append(taken)
    _give_back()
    return rescued


def _give_back() -> None:
    """What was set aside for runs that nobody makes and nobody takes over."""
    try:
        release_stale(now=timezone.now())
    except Error as error:  # what was claimed before it must not get lost
        logger.warning("reservations not given back yet", reason=str(error).strip())


@transaction.atomic
def _claim_and_plan(
    key: UUID, epoch: int, node: UUID, *, given_up: bool, tell: Tell
) -> RunPlan | Lost | None:
    """Both or nothing: a run that was claimed and not planned would be nobody's for a lease. None: not ours."""
    if not Run.objects.claim(key, seen_epoch=epoch, node=node):
        return None
    return _take_up(key, given_up=given_up, tell=tell)


def bury_neighbours(birth: str) -> int:
    """Processes of this machine that its kernel does not know any more; how many that were not known to be gone."""
    if not birth:
        return 0
    neighbours = Node.objects.filter(stopped_at=None, birth__startswith=place_of(birth) + ":")
    dead = gone(neighbours.exclude(birth=birth).values_list("birth", flat=True), birth)
    if not dead:
        return 0
    logger.warning("processes of this machine are gone", processes=[one.split(":")[1] for one in dead])
    return Node.objects.bury(dead)


def free_orphans(lease_seconds: float) -> int:
    """Frees the runs of nodes that do not live any more, for whoever takes them up first; how many."""
    return Run.objects.orphaned(lease_seconds).exclude(node=None).update(node=None)


def _take_up(key: UUID, *, given_up: bool, tell: Tell) -> RunPlan | Lost:
    run = Run.objects.select_related("message", "conversation", "user", "model__provider").get(pk=key)
    if run.takeovers > MOST_TAKEOVERS:
        return _fail(run, Internal(detail=f"taken over {MOST_TAKEOVERS} times"), tell)
    try:
        # What fails in the database here must not take the run's end along.
        with transaction.atomic():
            plan = plan_to_go_on(run)
            _bill_what_was_cut(run, plan, given_up=given_up)
            settle(run.pk, epoch=run.epoch - 1, now=timezone.now())
    except ChatError as error:
        return _fail(run, error, tell)
    except Exception as error:
        if is_unavailable(error):
            raise
        logger.exception("run cannot be planned", run=str(key))
        return _fail(run, Internal(), tell)
    return plan


def give_up(node: UUID) -> int:
    """The node's runs are nobody's from now on; any process may claim them at once. How many."""
    return Run.objects.open().filter(node_id=node).update(node=None, takeovers=0)


def _bill_what_was_cut(run: Run, plan: RunPlan, *, given_up: bool) -> None:
    """The call that died with its process is billed by what had arrived of it.

    Calls under way are noted about once a second; of one that died before, nobody knows, so that it has a row without
    figures. It may not have been made at all. A process that gives its runs up has noted all of theirs. Between two
    steps, while tools run or somebody is waited for, none was under way.
    """
    cut = run.epoch - 1
    known = list(ModelCall.objects.filter(run=run, epoch=cut).order_by("attempt"))
    steps = plan.rescued.steps if plan.rescued is not None else []
    between_steps = bool(steps) and steps[-1].finished
    open_parts = steps[-1].parts if steps and not between_steps else []
    written = "".join(part.get("text", "") for part in open_parts)
    usage, estimate = Usage(), None
    # Behind other attempts, the stored text may be one of theirs, which is billed already.
    if written and len(known) <= 1:
        told = estimate_stored(part for step in steps[:-1] for part in step.parts)
        measured = Measured((estimate_input(plan.request) or 0) + told, estimate_tokens(written))
        usage, estimate = Usage(*measured.by(plan.ratios)), measured.noted(plan.ratios)
    bill: dict[str, Any] = {
        "outcome": LOST,
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "usage_source": ModelCall.Source.UNKNOWN if usage == Usage() else ModelCall.Source.ESTIMATED,
        "estimate": estimate,
    }
    if known:
        open_calls = [call for call in known if call.outcome == UNDER_WAY]
        write_calls(columns_of(call) | bill | _cost(usage, _price(call)) for call in open_calls)
    elif not between_steps and (run.message.parts or not given_up):
        row = {
            "id": new_id(),
            "user_id": run.user_id,
            "pseudonym": plan.pseudonym,
            "token": plan.token,
            "conversation_id": run.conversation_id,
            "run_id": run.pk,
            "step": steps[-1].step if steps else 1,
            "epoch": cut,
            "provider": plan.provider,
            "model": plan.request.model,
            "started_at": run.claimed_at or run.created_at,
            "price": msgspec.to_builtins(plan.price) if plan.price is not None else None,
        }
        write_calls([row | bill | _cost(usage, plan.price)])


def _price(call: ModelCall) -> PriceList | None:
    return msgspec.convert(call.price, PriceList) if call.price is not None else None


def _cost(usage: Usage, price: PriceList | None) -> dict[str, Any]:
    cost, currency = charged(usage, price)
    return {"cost": cost, "currency": currency}


def _fail(run: Run, error: ChatError, tell: Tell) -> Lost:
    logger.warning("run cannot go on", run=str(run.pk), code=error.code, detail=error.detail)
    ToolInvocation.objects.filter(run=run).cancel_all(tell=tell.invocations)
    close_left_open(run.pk)
    columns = {
        "status": Run.Status.FAILED,
        "error": msgspec.to_builtins(error_facts(error)),
        **figures_of(billed(run.pk)),
    }
    ending = Ending(
        run=str(run.pk),
        epoch=run.epoch,
        message=str(run.message_id),
        conversation=run.conversation_id,
        user=run.user_id,
        model=run.model_name,
        steps=[],
        columns=columns,
        calls=[],
        finished_at=timezone.now(),
    )
    Run.objects.write(run.pk, epoch=run.epoch, finished_at=ending.finished_at, **columns)
    settle(run.pk, epoch=run.epoch, now=ending.finished_at)
    if tell.end is not None:
        tell.end(ending)
    return Lost(run.pk, run.user_id, run.conversation_id, run.message_id)
