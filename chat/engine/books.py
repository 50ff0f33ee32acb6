"""Closing the books of a run: figures for the last events, the run's columns and the ledger row. Pure."""

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from msgspec import UNSET, Struct, to_builtins
from msgspec.structs import asdict

from chat.engine.loop import Step
from chat.engine.plan import RunPlan
from chat.engine.recorder import CallRecord
from chat.events import run_events as ev
from chat.exceptions import ChatError, ProviderTimeout
from chat.llm.deltas import Usage
from chat.llm.guard import CallFacts
from chat.llm.messages import ModelRequest
from chat.usage.pricing import cost_of, estimate_tokens

COST_LIMIT = Decimal(10) ** 9
"""What the columns hold. A provider that reports more has miscounted."""


class Outcome(Struct, frozen=True):
    """How a run ended, before anything was counted."""

    status: ev.EndStatus
    error: ChatError | None = None
    stop_requested_at: datetime | None = None


class ClosedBooks(Struct, frozen=True):
    """The last two events, the run's columns, and the ledger row (None where no call was made)."""

    step_finished: ev.StepFinished
    run_finished: ev.RunFinished
    columns: dict[str, Any]
    call: CallRecord | None


def close_books(
    plan: RunPlan,
    step: Step,
    facts: CallFacts,
    outcome: Outcome,
    *,
    began: float,
    clock: Callable[[], float],
    now: Callable[[], datetime],
) -> ClosedBooks:
    """`began` is the clock's time at which the run was taken up."""
    usage, source = _usage(plan, step, facts)
    cost = cost_of(usage, plan.price) if plan.price is not None else None
    if cost is not None and cost >= COST_LIMIT:
        cost = None
    figures = ev.UsageFigures(**asdict(usage), source=source)
    money = None if cost is None or plan.price is None else ev.Money(f"{cost:f}", plan.price.currency)
    ended, ended_at = clock(), now()
    error, stopped = outcome.error, outcome.status == "stopped"
    finished = ev.RunFinished(
        status=outcome.status,
        usage=figures,
        cost=money,
        ttft_ms=_ms(began, facts.first_token_at),
        duration_ms=round((ended - began) * 1000),
        tokens_per_second=_pace(usage, facts, ended),
        error=error_facts(error) if error is not None else UNSET,
        stop_receipt=_receipt(facts, source, outcome, ended, ended_at) if stopped else UNSET,
    )
    whole = outcome.status in ("completed", "limit_reached")
    step_finished = ev.StepFinished(
        step=step.number,
        finish_reason=step.finish_reason if whole else None,
        ttft_ms=_ms(facts.began_at, facts.first_token_at),
        usage=figures,
        cost=money,
    )
    call = None
    if facts.began_at is not None:
        began_at = ended_at - timedelta(seconds=ended - facts.began_at)
        call = _ledger_row(plan, step, facts, outcome, finished, began_at)
    return ClosedBooks(step_finished, finished, _columns(finished), call)


def failed_books(step: int, error: ChatError) -> ClosedBooks:
    """Of a run that could not be counted: the error and nothing else."""
    usage = ev.UsageFigures()
    finished = ev.RunFinished(
        status="failed",
        usage=usage,
        cost=None,
        ttft_ms=None,
        duration_ms=0,
        tokens_per_second=None,
        error=error_facts(error),
    )
    step_finished = ev.StepFinished(step=step, finish_reason=None, ttft_ms=None, usage=usage, cost=None)
    return ClosedBooks(step_finished, finished, _columns(finished), None)


def _columns(finished: ev.RunFinished) -> dict[str, Any]:
    """What of the last event stands in the run's row."""
    return {
        "status": finished.status,
        "error": None if finished.error is UNSET else to_builtins(finished.error),
        "usage": to_builtins(finished.usage),
        "cost": None if finished.cost is None else Decimal(finished.cost.amount),
        "currency": "" if finished.cost is None else finished.cost.currency,
        "ttft_ms": finished.ttft_ms,
        "duration_ms": finished.duration_ms,
        "tokens_per_second": finished.tokens_per_second,
        "stop_receipt": None if finished.stop_receipt is UNSET else to_builtins(finished.stop_receipt),
    }


def _ledger_row(
    plan: RunPlan,
    step: Step,
    facts: CallFacts,
    outcome: Outcome,
    finished: ev.RunFinished,
    began_at: datetime,
) -> CallRecord:
    plain = {
        "completed": "completed",
        "limit_reached": "completed",
        "stopped": "stopped",
        "failed": "internal",
    }
    usage = to_builtins(finished.usage)
    source = usage.pop("source")
    return CallRecord(
        {
            "user_id": plan.user,
            "conversation_id": plan.conversation,
            "run_id": UUID(plan.run),
            "step": step.number,
            "epoch": plan.epoch,
            "provider": plan.provider,
            "model": plan.request.model,
            "upstream_id": step.upstream_id[:200],
            "request_id": facts.request_id[:200],
            "http_status": facts.http_status,
            "outcome": outcome.error.code if outcome.error is not None else plain[outcome.status],
            "finish_reason": step.finish_reason or "",
            "started_at": began_at,
            "connect_ms": _ms(facts.began_at, facts.connected_at),
            "ttft_ms": _ms(facts.began_at, facts.first_token_at),
            "duration_ms": _ms(facts.began_at, facts.closed_at),
            **usage,
            "usage_source": source,
            "price": to_builtins(plan.price) if plan.price is not None else None,
            "cost": None if finished.cost is None else Decimal(finished.cost.amount),
            "currency": "" if finished.cost is None else finished.cost.currency,
        }
    )


def error_facts(error: ChatError) -> ev.ErrorFacts:
    return ev.ErrorFacts(
        code=error.code,
        message=str(error),
        retryable=error.retryable,
        retry_after_seconds=error.retry_after_seconds,
        phase=error.phase if isinstance(error, ProviderTimeout) else None,
    )


def _usage(plan: RunPlan, step: Step, facts: CallFacts) -> tuple[Usage, ev.UsageSource]:
    if step.usage is not None:
        return step.usage, "reported"
    if facts.connected_at is None or (facts.http_status or 0) >= 400:
        # Never answered: nothing to bill, as far as anybody knows.
        return Usage(), "unknown"
    return Usage(
        input_tokens=estimate_input(plan.request), output_tokens=estimate_tokens(step.written)
    ), "estimated"


def estimate_input(request: ModelRequest) -> int:
    return estimate_tokens(
        request.system
        + "".join(getattr(part, "text", "") for message in request.messages for part in message.parts)
    )


def _receipt(
    facts: CallFacts, source: ev.UsageSource, outcome: Outcome, ended: float, ended_at: datetime
) -> ev.StopReceipt:
    closed_at = None
    if facts.closed_at is not None:
        closed_at = (ended_at - timedelta(seconds=ended - facts.closed_at)).isoformat()
    requested_at = outcome.stop_requested_at or ended_at
    return ev.StopReceipt(
        requested_at=requested_at.isoformat(), upstream_closed_at=closed_at, usage_source=source
    )


def _pace(usage: Usage, facts: CallFacts, ended: float) -> float | None:
    """Output tokens a second from the first shown token to the end of the answer."""
    if facts.first_token_at is None or not usage.output_tokens:
        return None
    seconds = (facts.closed_at or ended) - facts.first_token_at
    return round(usage.output_tokens / seconds, 1) if seconds > 0.001 else None


def _ms(start: float | None, end: float | None) -> int | None:
    return None if start is None or end is None else max(0, round((end - start) * 1000))
