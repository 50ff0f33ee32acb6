"""Closing the books of a run: figures for the last events, the run's columns and the ledger row. Pure."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from msgspec import UNSET

from chat.engine.loop import Step
from chat.engine.plan import RunPlan
from chat.engine.recorder import CallRecord
from chat.events import run_events as ev
from chat.exceptions import ChatError, ProviderTimeout
from chat.llm.deltas import Usage
from chat.llm.guard import CallFacts
from chat.usage.pricing import cost_of, estimate_tokens


def close_books(
    plan: RunPlan,
    step: Step,
    facts: CallFacts,
    *,
    status: ev.EndStatus,
    error: ChatError | None,
    began: float,
    clock: Callable[[], float],
    now: Callable[[], datetime],
    stop_requested_at: datetime | None,
) -> tuple[ev.StepFinished, ev.RunFinished, dict[str, Any], CallRecord | None]:
    """The step's end, the run's end, the run's columns, and the ledger row (None where no call was made)."""
    usage, source = _usage(plan, step, facts)
    cost = cost_of(usage, plan.price) if plan.price is not None else None
    currency = plan.price.currency if plan.price is not None else ""
    money = None if cost is None else ev.Money(f"{cost:f}", currency)
    figures = ev.UsageFigures(**msgspec.structs.asdict(usage), source=source)
    call_ttft_ms = _ms(facts.began_at, facts.first_token_at)
    ended = clock()
    finished = ev.RunFinished(
        status=status,
        usage=figures,
        cost=money,
        ttft_ms=_ms(began, facts.first_token_at),
        duration_ms=round((ended - began) * 1000),
        tokens_per_second=_pace(usage, facts, ended),
        error=error_facts(error) if error is not None else UNSET,
        stop_receipt=_receipt(facts, source, stop_requested_at, clock, now) if status == "stopped" else UNSET,
    )
    step_finished = ev.StepFinished(
        step=step.number,
        finish_reason=step.finish_reason if status in ("completed", "limit_reached") else None,
        ttft_ms=call_ttft_ms,
        usage=figures,
        cost=money,
    )
    columns = {
        "status": status,
        "error": msgspec.to_builtins(finished.error) if error is not None else None,
        "usage": msgspec.to_builtins(figures),
        "cost": cost,
        "currency": currency,
        "ttft_ms": finished.ttft_ms,
        "duration_ms": finished.duration_ms,
        "tokens_per_second": finished.tokens_per_second,
        "stop_receipt": msgspec.to_builtins(finished.stop_receipt) if status == "stopped" else None,
    }
    if facts.began_at is None:
        return step_finished, finished, columns, None
    call = CallRecord(
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
            "outcome": error.code if error is not None else "stopped" if status == "stopped" else "completed",
            "finish_reason": step.finish_reason or "",
            "started_at": now() - timedelta(seconds=ended - facts.began_at),
            "connect_ms": _ms(facts.began_at, facts.connected_at),
            "ttft_ms": call_ttft_ms,
            "duration_ms": _ms(facts.began_at, facts.closed_at),
            **msgspec.structs.asdict(usage),
            "usage_source": source,
            "price": msgspec.to_builtins(plan.price, builtin_types=()) if plan.price is not None else None,
            "cost": cost,
            "currency": currency,
        }
    )
    return step_finished, finished, columns, call


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
    asked = plan.request.system + "".join(
        getattr(part, "text", "") for message in plan.request.messages for part in message.parts
    )
    return Usage(
        input_tokens=estimate_tokens(asked), output_tokens=estimate_tokens(step.written)
    ), "estimated"


def _receipt(
    facts: CallFacts,
    source: ev.UsageSource,
    requested_at: datetime | None,
    clock: Callable[[], float],
    now: Callable[[], datetime],
) -> ev.StopReceipt:
    closed_at = None
    if facts.closed_at is not None:
        closed_at = (now() - timedelta(seconds=clock() - facts.closed_at)).isoformat()
    return ev.StopReceipt(
        requested_at=(requested_at or now()).isoformat(), upstream_closed_at=closed_at, usage_source=source
    )


def _pace(usage: Usage, facts: CallFacts, ended: float) -> float | None:
    """Output tokens a second from the first shown token to the end of the answer."""
    if facts.first_token_at is None or not usage.output_tokens:
        return None
    seconds = (facts.closed_at or ended) - facts.first_token_at
    return round(usage.output_tokens / seconds, 1) if seconds > 0.001 else None


def _ms(start: float | None, end: float | None) -> int | None:
    return None if start is None or end is None else max(0, round((end - start) * 1000))
