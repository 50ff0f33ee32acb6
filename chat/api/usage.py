"""What was used over REST: one's own, or everybody's for who may see that."""

from datetime import date
from typing import Annotated, Any, Literal, cast
from uuid import UUID

from django.http import HttpRequest
from ninja import Query, Router, Schema

from chat.api.auth import needs
from chat.exceptions import Forbidden
from chat.models import User
from chat.models.tokens import TokenScope
from chat.usage.periods import Period, not_too_many, read_groups, today
from chat.usage.reports import UsageRow, names_of, usage

EVERYBODY = "chat.view_usageday"

router = Router(tags=["usage"])


class CostOut(Schema):
    """`estimated`: how much of the amount goes by tokens that were estimated."""

    amount: str
    currency: str
    estimated: str


class CountersOut(Schema):
    """`source` is the weakest of all calls': `reported`, `estimated`, or `unknown` where some told nothing."""

    input_tokens: int
    output_tokens: int
    cached_tokens: int
    cache_write_tokens: int
    reasoning_tokens: int
    source: Literal["reported", "estimated", "unknown"]


class UserOut(Schema):
    """`username`: null where the account is gone."""

    pseudonym: UUID
    username: str | None


class GroupOut(Schema):
    """What it is not grouped by is null. Costs are one a currency, and are never added up."""

    day: date | None
    provider: str | None
    model: str | None
    user: UserOut | None
    calls: int
    estimated_calls: int
    unknown_calls: int
    unpriced_calls: int
    usage: CountersOut
    costs: list[CostOut]


class UsageOut(Schema):
    since: date
    until: date
    items: list[GroupOut]


@router.get("", response=UsageOut, auth=needs(TokenScope.USAGE_READ))
def read(
    request: HttpRequest,
    group_by: Annotated[str, Query(description="Any of day, model, user, provider, with commas.")] = "day",
    since: Annotated[
        date | None, Query(description="The first day, in UTC; thirty days before the last.")
    ] = None,
    until: Annotated[date | None, Query(description="The last day; today.")] = None,
    everybody: Annotated[bool, Query(description="Of all people, not only one's own.")] = False,
) -> dict[str, Any]:
    user = cast(User, request.user)
    if everybody and not user.has_perm(EVERYBODY):
        raise Forbidden("You may see your own usage only.", field="everybody")
    groups, period = read_groups(group_by), Period.asked(since, until, today=today())
    whose = None if everybody else user.pseudonym
    rows = not_too_many(usage(groups, since=period.since, until=period.until, pseudonym=whose))
    names = names_of([row.pseudonym for row in rows if row.pseudonym is not None])
    return {"since": period.since, "until": period.until, "items": [_group(row, names) for row in rows]}


def _group(row: UsageRow, names: dict[UUID, str]) -> dict[str, Any]:
    counters = ("input_tokens", "output_tokens", "cached_tokens", "cache_write_tokens", "reasoning_tokens")
    told = ("day", "provider", "model", "calls", "estimated_calls", "unknown_calls", "unpriced_calls")
    return {
        **{name: getattr(row, name) for name in told},
        "user": None
        if row.pseudonym is None
        else {"pseudonym": row.pseudonym, "username": names.get(row.pseudonym)},
        "usage": {**{name: getattr(row, name) for name in counters}, "source": row.source},
        "costs": [
            {"amount": f"{cost.amount:f}", "currency": cost.currency, "estimated": f"{cost.estimated:f}"}
            for cost in row.costs
        ],
    }
