"""Setting aside what a model call may use before it is made, settling it when the ledger has its row, giving it back.

An amount is added by compare-and-set, only where it does not pass the limit; so that holds for any number of processes.
Who reserves and who settles do it in the transaction that makes or ends what it is for. What dies in between is found
by `release_stale`.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, F, OuterRef
from msgspec import Struct, field

from chat.models import ModelCall, QuotaUse, Reservation, Run
from chat.models.quotas import MONEY
from chat.models.usage import LOST, UNDER_WAY, billionths_of
from chat.usage.admission import admit
from chat.usage.known_quotas import KNOWN, Limit
from chat.usage.quota_uses import UseKey, change_uses, uses_of
from chat.usage.refusals import passed

AT_ONCE: Final = 200
"""Reservations that one look gives back."""


class Want(Struct, frozen=True):
    """The most that one step may use. `costs` has the price of it in each currency in which it may be billed."""

    run: UUID
    step: int
    epoch: int
    user: UUID
    pseudonym: UUID
    input_tokens: int
    output_tokens: int
    costs: dict[str, Decimal] = field(default_factory=dict)
    token: UUID | None = None
    """The API token by which its run was started."""

    def of(self, limit: Limit) -> int:
        if limit.kind in MONEY:
            return billionths_of(self.costs.get(limit.currency))
        return self.input_tokens + self.output_tokens


def reserve(wants: Sequence[Want], *, now: datetime, starts: bool = False) -> None:
    """For all of them or for none: they are one person's. The last thing that a transaction does. `starts`: they are
    what one message begins, which has its own limits. A second time is as once.

    Raises:
        QuotaExceeded: of messages, runs or tokens.
        BudgetExceeded: of money.
    """
    first = wants[0]
    binding = [limit for limit in KNOWN.binding(first.user, first.pseudonym, first.token) if limit.enabled]
    binding = [limit for limit in binding if starts or limit.periodical]
    if not binding:
        return
    if not starts and Reservation.objects.filter(run=first.run, step=first.step, epoch=first.epoch).exists():
        return
    limits = {UseKey.of(limit, now): limit for limit in binding}
    holds: list[list[tuple[UseKey, int]]] = [
        [(key, amount) for key, limit in limits.items() if limit.periodical and (amount := want.of(limit))]
        for want in wants
    ]
    keys = uses_of(limits).keys
    Reservation.objects.bulk_create(
        _row(want, [[str(keys[key]), amount] for key, amount in held], now)
        for want, held in zip(wants, holds, strict=True)
    )
    # All at once and in one order: what follows changes them one by one.
    rows = QuotaUse.objects.select_for_update().filter(pk__in=keys.values()).order_by("pk").in_bulk()
    admit({limit: rows[keys[key]] for key, limit in limits.items() if not limit.periodical}, now=now)
    total: dict[UseKey, int] = defaultdict(int)
    for held in holds:
        for key, amount in held:
            total[key] += amount
    for key in sorted((key for key in limits if limits[key].periodical), key=keys.__getitem__):
        _add(rows[keys[key]], limits[key], total.get(key, 0), now)


def settle(run: UUID, *, epoch: int, now: datetime) -> None:
    """What was set aside for steps of this and earlier epochs that have ended, in the caller's transaction, as its
    last. The ledger has their rows; what they have not used is free again."""
    if not KNOWN.any():
        return
    held = list(
        Reservation.objects.filter(run=run, epoch__lte=epoch, state=Reservation.State.HELD).order_by("pk")
    )
    if not held:
        return
    calls: dict[tuple[int, int], list[ModelCall]] = defaultdict(list)
    ended = ModelCall.objects.filter(run=run).exclude(outcome=UNDER_WAY)
    for call in ended.only("step", "epoch", "outcome", "http_status", "usage_source"):
        calls[call.step, call.epoch].append(call)
    changes: dict[UUID, dict[str, int]] = {}
    for one in held:
        made = calls.get((one.step, one.epoch), [])
        state = Reservation.State.SETTLED if made else Reservation.State.RELEASED
        mine = Reservation.objects.filter(pk=one.pk, state=Reservation.State.HELD)
        if not mine.update(state=state, ended_at=now):
            continue  # somebody else was first
        share = _assumed(one, made)
        for key, amount in one.holds:
            change = changes.setdefault(UUID(key), {"reserved": 0, "assumed": 0})
            change["reserved"] -= amount
            change["assumed"] += int(amount * share)
    change_uses(changes)


def check_held(
    run: UUID, *, epoch: int, user: UUID, pseudonym: UUID, token: UUID | None = None, now: datetime
) -> None:
    """What failed attempts have cost has come on top of what is held for the attempts that follow.

    Raises:
        UsedUp: together that passes a limit: there shall be no other attempt.
    """
    held = Reservation.objects.filter(run=run, epoch=epoch, state=Reservation.State.HELD).first()
    if held is None:
        return
    amounts = {UUID(key): amount for key, amount in held.holds}
    rows = {UseKey.of_row(row): row for row in QuotaUse.objects.filter(pk__in=amounts)}
    for limit in KNOWN.binding(user, pseudonym, token):
        row = rows.get(UseKey.of(limit, held.created_at))
        if row is not None and limit.enabled and row.taken > limit.amount:
            raise passed(row, limit, amounts[row.pk], now)


def release_stale(*, now: datetime) -> int:
    """Gives back what nobody will: of runs that have ended, wait, were deleted or taken over. How many."""
    if not KNOWN.any():
        return 0
    alive = Run.objects.open().exclude(status=Run.Status.WAITING)
    stale = Reservation.objects.filter(
        ~Exists(alive.filter(pk=OuterRef("run"), epoch=OuterRef("epoch"))), state=Reservation.State.HELD
    )
    found = list(stale.order_by("run").values_list("run", "epoch")[:AT_ONCE])
    for run, epoch in found:
        with transaction.atomic():
            settle(run, epoch=epoch, now=now)
    return len(found)


def _add(row: QuotaUse, limit: Limit, amount: int, now: datetime) -> None:
    """
    Raises:
        QuotaExceeded, BudgetExceeded: it would pass the limit.
    """
    if amount == 0:  # of money: nothing that may be asked has a price in this currency
        return
    fits = QuotaUse.objects.annotate(taken_now=F("used") + F("assumed") + F("reserved")).filter(
        pk=row.pk, taken_now__lte=limit.amount - amount
    )
    if not fits.update(reserved=F("reserved") + amount):
        raise passed(row, limit, amount, now)


def _assumed(one: Reservation, calls: Sequence[ModelCall]) -> float:
    """Which share of the estimate counts as used, where nobody knows. A call whose process was killed before anything
    had come is taken to have been read; one that was answered, to have used all."""
    unknown = [call for call in calls if call.usage_source == ModelCall.Source.UNKNOWN]
    if any(call.http_status is not None and call.http_status < 400 for call in unknown):
        return 1.0
    if any(call.outcome == LOST for call in unknown):
        return one.input_tokens / max(one.input_tokens + one.output_tokens, 1)
    return 0.0


def _row(want: Want, holds: list[list[object]], now: datetime) -> Reservation:
    currency = max(want.costs, key=lambda name: want.costs[name], default="")
    return Reservation(
        run=want.run,
        step=want.step,
        epoch=want.epoch,
        input_tokens=want.input_tokens,
        output_tokens=want.output_tokens,
        cost=want.costs.get(currency),
        currency=currency,
        holds=holds,
        created_at=now,
    )
