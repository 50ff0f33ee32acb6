"""Closing the books of a run: figures for the last events, the run's columns and the ledger row. Pure."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from msgspec import UNSET, Struct, UnsetType, to_builtins
from msgspec.structs import replace

from chat.engine.attempts import Attempt
from chat.engine.bill import Bill, total
from chat.engine.recorder import CallRecord
from chat.events import run_events as ev
from chat.exceptions import ChatError, LeftAlone, ProviderTimeout, UsedUp
from chat.llm.attempt import CallFacts
from chat.llm.deltas import Usage
from chat.llm.redaction import secrets_of
from chat.usage.pricing import charged


class Outcome(Struct, frozen=True):
    """How a run ended, before anything was counted."""

    status: ev.EndStatus
    error: ChatError | None = None
    stop_requested_at: datetime | None = None


class ClosedBooks(Struct, frozen=True):
    """The last two events, the run's columns, and a ledger row for each attempt that has none yet."""

    step_finished: ev.StepFinished
    run_finished: ev.RunFinished
    columns: dict[str, Any]
    calls: list[CallRecord]


def close_books(
    step: int,
    attempts: Sequence[Attempt],
    outcome: Outcome,
    *,
    began: float,
    earlier: Bill | None,
    clock: Callable[[], float],
    now: Callable[[], datetime],
) -> ClosedBooks:
    """`attempts` are those of all steps, `earlier` is what earlier epochs of the run have used. `began` is the clock's
    time at which the run was taken up. The last attempt is the one that counts for times."""
    bills = [_bill(attempt) for attempt in attempts]
    whole_bill = total([*([earlier] if earlier is not None else []), *bills])
    facts = attempts[-1].facts if attempts else CallFacts()
    ended, ended_at = clock(), now()
    error = outcome.error
    receipt: ev.StopReceipt | UnsetType = UNSET
    if outcome.status == "stopped":
        open_facts = facts if attempts and attempts[-1].error is None else CallFacts()
        receipt = _receipt(open_facts, whole_bill.source, outcome, ended, ended_at)
    finished = ev.RunFinished(
        status=outcome.status,
        usage=whole_bill.figures,
        cost=whole_bill.money,
        ttft_ms=_ms(
            began, attempts[0].facts.first_token_at if len(_steps(attempts)) > 1 else facts.first_token_at
        ),
        duration_ms=round((ended - began) * 1000),
        tokens_per_second=_pace(bills[-1].usage, facts, ended) if bills else None,
        error=error_facts(error) if error is not None else UNSET,
        stop_receipt=receipt,
    )
    whole = outcome.status in ("completed", "limit_reached") and bool(attempts)
    step_finished = close_step(step, attempts, whole=whole)
    calls = ledger_rows(attempts, outcome, clock=clock, now=now)
    return ClosedBooks(step_finished, finished, _columns(finished), calls)


def close_step(step: int, attempts: Sequence[Attempt], *, whole: bool = True) -> ev.StepFinished:
    """What one step used, over all its attempts."""
    its = [attempt for attempt in attempts if attempt.step.number == step]
    bill = total([_bill(attempt) for attempt in its])
    facts = its[-1].facts if its else CallFacts()
    return ev.StepFinished(
        step=step,
        finish_reason=_finish_reason(its, whole=whole),
        ttft_ms=_ms(facts.began_at, facts.first_token_at),
        usage=bill.figures,
        cost=bill.money,
    )


def _finish_reason(attempts: Sequence[Attempt], *, whole: bool) -> ev.FinishReason | None:
    if attempts and attempts[-1].step.filtered:
        return "content_filter"
    return attempts[-1].step.finish_reason if attempts and whole else None


def _steps(attempts: Sequence[Attempt]) -> set[int]:
    return {attempt.step.number for attempt in attempts}


def ledger_rows(
    attempts: Sequence[Attempt],
    outcome: Outcome,
    *,
    clock: Callable[[], float],
    now: Callable[[], datetime],
) -> list[CallRecord]:
    """A row for each attempt that was made and has none yet. `outcome` is that of the attempts without an error."""
    seconds, time = clock(), now()
    return [
        _ledger_row(attempt, _bill(attempt), outcome, lambda at: time - timedelta(seconds=seconds - at))
        for attempt in attempts
        if attempt.facts.began_at is not None and not attempt.in_ledger
    ]


def rows_under_way(
    attempts: Sequence[Attempt], *, clock: Callable[[], float], now: Callable[[], datetime]
) -> list[CallRecord]:
    """Of attempts that the ledger does not know of: should this process be killed, somebody will bill them."""
    seconds, time = clock(), now()
    rows = []
    for attempt in attempts:
        if attempt.facts.began_at is not None and not attempt.noted and not attempt.in_ledger:
            row = _ledger_row(
                attempt,
                Bill(Usage(), "unknown"),
                Outcome("stopped"),
                lambda at: time - timedelta(seconds=seconds - at),
            )
            rows.append(CallRecord({**row.columns, "outcome": "running"}))
    return rows


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
    return ClosedBooks(step_finished, finished, _columns(finished), [])


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
    attempt: Attempt, bill: Bill, outcome: Outcome, moment: Callable[[float], datetime]
) -> CallRecord:
    plain = {
        "completed": "completed",
        "limit_reached": "completed",
        "stopped": "stopped",
        "failed": "internal",
    }
    plan, step, facts = attempt.plan, attempt.step, attempt.facts
    secrets = secrets_of(plan.api_key, plan.endpoint)
    usage = to_builtins(bill.figures)
    source = usage.pop("source")
    return CallRecord(
        {
            "id": facts.call,
            "user_id": plan.user,
            "pseudonym": plan.pseudonym,
            "token": plan.token,
            "conversation_id": plan.conversation,
            "run_id": UUID(plan.run),
            "step": step.number,
            "epoch": plan.epoch,
            "attempt": attempt.number,
            "provider": plan.provider,
            "model": plan.request.model,
            "upstream_id": secrets.hide_in(step.upstream_id)[:200],
            "request_id": secrets.hide_in(facts.request_id)[:200],
            "http_status": facts.http_status,
            "outcome": attempt.error.code if attempt.error is not None else plain[outcome.status],
            "finish_reason": step.finish_reason or "",
            "started_at": moment(facts.began_at or 0.0),
            "queue_ms": round(facts.queued_seconds * 1000),
            "connect_ms": _ms(facts.began_at, facts.connected_at),
            "ttft_ms": _ms(facts.began_at, facts.first_token_at),
            "duration_ms": _ms(facts.began_at, facts.closed_at),
            **usage,
            "usage_source": source,
            "estimate": _estimate(attempt, bill.source),
            "price": to_builtins(plan.price) if plan.price is not None else None,
            "cost": bill.cost,
            "currency": bill.currency if bill.cost is not None else "",
        }
    )


def error_facts(error: ChatError) -> ev.ErrorFacts:
    resets_at = error.resets_at if isinstance(error, UsedUp) else None
    return ev.ErrorFacts(
        code=error.code,
        message=str(error),
        retryable=error.retryable,
        retry_after_seconds=error.retry_after_seconds,
        phase=error.phase if isinstance(error, ProviderTimeout | LeftAlone) else None,
        resets_at=resets_at.astimezone(UTC).isoformat() if resets_at is not None else None,
    )


def _bill(attempt: Attempt) -> Bill:
    usage, source = _usage(attempt)
    cost, currency = charged(usage, attempt.plan.price)
    refused = attempt.refused and source == "unknown"
    return Bill(usage, source, cost, currency, refused=refused)


def _usage(attempt: Attempt) -> tuple[Usage, ev.UsageSource]:
    said = attempt.step.usage.together() if attempt.step.usage is not None else None
    if said is not None and attempt.step.finish_reason is not None:
        return said, "reported"
    if said is None and (attempt.refused or attempt.facts.connected_at is None):
        # Never answered: nothing to bill, as far as anybody knows.
        return Usage(), "unknown"
    read, written = attempt.measured(needed=True).by(attempt.plan.ratios)
    if said is None:
        return Usage(input_tokens=read, output_tokens=written), "estimated"
    # Broken off: what was said so far may be as little as what stood in the first event.
    read = said.input_tokens if said.input_tokens is not None else read
    return replace(said, input_tokens=read, output_tokens=max(said.output_tokens or 0, written)), "estimated"


def _estimate(attempt: Attempt, source: ev.UsageSource) -> dict[str, Any] | None:
    """What the ledger keeps of the rule: how an estimate came about, and what a report can be compared with."""
    if source == "unknown":
        return None
    if source == "estimated":
        return attempt.measured(needed=True).noted(attempt.plan.ratios)
    return attempt.measured(needed=False).noted()


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
