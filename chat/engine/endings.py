"""What is said of a run once it has ended: a line in the log, and figures in the meters."""

from datetime import datetime

import structlog
from msgspec import UNSET

from chat.engine.plan import RunPlan
from chat.engine.recorder import CallRecord
from chat.events.run_events import RunFinished
from chat.telemetry.runs import EndedRun, RunMeters

logger = structlog.get_logger(__name__)


def say_ended(plan: RunPlan, finished: RunFinished, meters: RunMeters) -> None:
    code = "" if finished.error is UNSET else finished.error.code
    meters.ended(
        EndedRun(
            status=finished.status,
            code=code,
            whole=plan.rescued is None,
            first_token_seconds=None if finished.ttft_ms is None else finished.ttft_ms / 1000,
            duration_seconds=finished.duration_ms / 1000,
            tokens_per_second=finished.tokens_per_second,
            output_tokens=finished.usage.output_tokens,
            stop_seconds=_stop_seconds(finished),
        )
    )
    logger.info(
        "run ended",
        run=plan.run,
        epoch=plan.epoch,
        status=finished.status,
        **({"code": code} if code else {}),
        model=plan.model_name,
        ttft_ms=finished.ttft_ms,
        duration_ms=finished.duration_ms,
        input_tokens=finished.usage.input_tokens,
        output_tokens=finished.usage.output_tokens,
    )


def count_calls(calls: list[CallRecord], meters: RunMeters) -> None:
    """Of model calls that have their row in the ledger now."""
    for call in calls:
        columns = call.columns
        meters.called(
            columns["provider"],
            columns["model"],
            outcome=columns["outcome"],
            tokens={
                kind: columns[f"{kind}_tokens"]
                for kind in ("input", "output", "cached", "cache_write", "reasoning")
            },
            cost=None if columns["cost"] is None else float(columns["cost"]),
            currency=columns["currency"],
            estimated=columns["usage_source"] == "estimated",
        )


def _stop_seconds(finished: RunFinished) -> float | None:
    """None where nothing was asked upstream yet. Asked for on another machine, it goes by that one's clock."""
    receipt = finished.stop_receipt
    if receipt is UNSET or receipt.upstream_closed_at is None:
        return None
    closed = datetime.fromisoformat(receipt.upstream_closed_at)
    return max(0.0, (closed - datetime.fromisoformat(receipt.requested_at)).total_seconds())
