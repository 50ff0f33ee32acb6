"""What is set aside for a step before its model is asked: the most that it may use, at the dearest price."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Final
from uuid import UUID

import structlog
from django.db import transaction

from chat.engine.database import DatabaseThreads
from chat.engine.plan import RunPlan
from chat.exceptions import StorageUnavailable
from chat.llm.messages import ChatMessage
from chat.usage.estimates import estimate_input, scaled
from chat.usage.known_quotas import KNOWN
from chat.usage.pricing import PriceList
from chat.usage.reservations import Want, check_held, reserve

logger = structlog.get_logger(__name__)

USUAL_OUTPUT_TOKENS: Final = 4096
"""Where nobody has said how many a model may write."""
MILLION: Final = Decimal(10) ** 6
LONGEST_WAIT_SECONDS: Final = 2.0


def want_of(plan: RunPlan, step: int = 1, said: Sequence[ChatMessage] = ()) -> Want:
    """`said` is what the run's earlier steps have added to the conversation. Of the model and those that are asked
    where it does not answer, the dearest counts."""
    most, costs = (0, 0), dict[str, Decimal]()
    for one in _chain(plan):
        read, written = _input_tokens(one, said), _output_tokens(one)
        most = max(most, (read, written), key=sum)
        if one.price is not None:
            currency = one.price.currency
            costs[currency] = max(costs.get(currency, Decimal(0)), _cost(read, written, one.price))
    return Want(
        run=UUID(plan.run),
        step=step,
        epoch=plan.epoch,
        user=plan.user,
        pseudonym=plan.pseudonym,
        token=plan.token,
        input_tokens=most[0],
        output_tokens=most[1],
        costs=costs,
    )


def reserve_start(plans: Sequence[RunPlan], *, now: datetime) -> None:
    """For what one message begins, in its transaction. Where nothing is configured nothing is estimated either: that
    goes over the whole conversation, before the first token.

    Raises:
        QuotaExceeded, BudgetExceeded
    """
    if KNOWN.any():
        reserve([want_of(plan) for plan in plans], now=now, starts=True)


class StepReservations:
    """Those of one run, after its first step's, which was set aside with the start."""

    def __init__(self, plan: RunPlan, *, database: DatabaseThreads, now: Callable[[], datetime]) -> None:
        self._plan = plan
        self._database = database
        self._now = now

    async def take(self, step: int, said: Sequence[ChatMessage]) -> None:
        """However long the database is away. Where nothing is configured nobody is asked.

        Raises:
            UsedUp: the step would pass a limit.
        """
        wait_seconds = 0.1
        while not KNOWN.surely_none():
            try:
                await self._database(partial(_reserve, self._plan, step, said, self._now()))
            except StorageUnavailable as error:
                logger.warning("nothing set aside yet", run=self._plan.run, reason=error.detail)
                await asyncio.sleep(wait_seconds)
                wait_seconds = min(wait_seconds * 2, LONGEST_WAIT_SECONDS)
            else:
                return

    async def check(self) -> None:
        """After a failed attempt that may have cost something.

        Raises:
            UsedUp: nothing is left for another one.
            StorageUnavailable
        """
        if KNOWN.surely_none():
            return
        plan = self._plan
        await self._database(
            partial(
                check_held,
                UUID(plan.run),
                epoch=plan.epoch,
                user=plan.user,
                pseudonym=plan.pseudonym,
                token=plan.token,
                now=self._now(),
            )
        )


def _reserve(plan: RunPlan, step: int, said: Sequence[ChatMessage], now: datetime) -> None:
    want = want_of(plan, step, said)
    with transaction.atomic():
        reserve([want], now=now)


def _chain(plan: RunPlan | None) -> Iterator[RunPlan]:
    while plan is not None:
        yield plan
        plan = plan.following


def _input_tokens(plan: RunPlan, said: Sequence[ChatMessage]) -> int:
    return scaled(estimate_input(plan.request, said) or 0, plan.ratios.input)


def _output_tokens(plan: RunPlan) -> int:
    return plan.request.options.max_output_tokens or USUAL_OUTPUT_TOKENS


def _cost(read: int, written: int, price: PriceList) -> Decimal:
    dearest_read = max(price.input, price.cache_write or Decimal(0), price.cached_input or Decimal(0))
    dearest_written = max(price.output, price.reasoning or Decimal(0))
    return (read * dearest_read + written * dearest_written) / MILLION
