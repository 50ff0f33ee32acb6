"""How runs of a period went: how many, how they ended, how they felt to who waited. Three queries, whatever the rows.

Counts are of all runs of the period. Times are of the last ones that ended in it, at most MOST_SAMPLED, so that a page
takes no longer where there are millions.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final, Literal

from django.db.models import Count
from msgspec import Struct

from chat.conf import Bands, Bounds
from chat.models import Run
from chat.telemetry.bands import Band, rated

MOST_SAMPLED: Final = 5000
Measure = Literal["first_token", "pace", "total", "stop"]


class Felt(Struct, frozen=True):
    """One measure over the sample. `rated` counts those that have a band: of the total only short answers."""

    measure: Measure
    count: int
    p50: float | None
    p95: float | None
    p50_band: Band | None
    p95_band: Band | None
    rated: dict[Band, int]


class RunStats(Struct, frozen=True):
    by_status: dict[str, int]
    by_error: dict[str, int]
    felt: tuple[Felt, ...]
    sampled: int
    """How many ended runs the times are of."""

    @property
    def count(self) -> int:
        return sum(self.by_status.values())


class _Ended(Struct, frozen=True):
    status: str
    ttft_ms: int | None
    pace: float | None
    duration_ms: int | None
    usage: dict[str, Any]
    stop_requested_at: datetime | None
    receipt: dict[str, Any] | None


def run_stats(since: datetime, bands: Bands) -> RunStats:
    runs = Run.objects.filter(created_at__gte=since).order_by()
    statuses = runs.values_list("status").annotate(count=Count("pk"))
    failed = runs.filter(status=Run.Status.FAILED)
    errors = failed.values_list("error__code").annotate(count=Count("pk"))
    ended = [_Ended(*row) for row in _sample(since)]
    return RunStats(
        by_status=dict(statuses),
        by_error={str(code or "unknown"): count for code, count in errors},
        felt=tuple(_felt(ended, bands)),
        sampled=len(ended),
    )


def _sample(since: datetime) -> Iterable[tuple[Any, ...]]:
    ended = Run.objects.filter(created_at__gte=since).exclude(finished_at=None)
    columns = (
        "status", "ttft_ms", "tokens_per_second", "duration_ms", "usage", "stop_requested_at", "stop_receipt",
    )  # fmt: skip
    return ended.order_by("-created_at").values_list(*columns)[:MOST_SAMPLED]


def _felt(ended: Sequence[_Ended], bands: Bands) -> Iterable[Felt]:
    first = [run.ttft_ms / 1000 for run in ended if run.ttft_ms is not None]
    yield _measured("first_token", first, first, bands.first_token_seconds)
    paces = [run.pace for run in ended if run.pace is not None]
    yield _measured("pace", paces, paces, bands.tokens_per_second)
    whole = [run for run in ended if run.status == Run.Status.COMPLETED and run.duration_ms is not None]
    short = [run for run in whole if _is_short(run, bands)]
    yield _measured("total", _seconds(whole), _seconds(short), bands.short_answer_seconds)
    stops = [seconds for run in ended if (seconds := _stop_seconds(run)) is not None]
    yield _measured("stop", stops, stops, bands.stop_seconds)


def _is_short(run: _Ended, bands: Bands) -> bool:
    said = run.usage.get("output_tokens")
    return isinstance(said, int) and said <= bands.short_answer_tokens


def _seconds(runs: Iterable[_Ended]) -> list[float]:
    return [run.duration_ms / 1000 for run in runs if run.duration_ms is not None]


def _stop_seconds(run: _Ended) -> float | None:
    closed = (run.receipt or {}).get("upstream_closed_at")
    if run.stop_requested_at is None or not closed:
        return None
    return max(0.0, (datetime.fromisoformat(closed) - run.stop_requested_at).total_seconds())


def _measured(measure: Measure, values: list[float], to_rate: Iterable[float], bounds: Bounds) -> Felt:
    """p95 is what one in twenty finds worse: of a pace, where more is better, it is counted from the other end."""
    good, bad = bounds
    ordered = sorted(values, reverse=good > bad)
    p50, p95 = percentile(ordered, 50), percentile(ordered, 95)
    counts: dict[Band, int] = {"good": 0, "slow": 0, "bad": 0}
    for value in to_rate:
        counts[rated(value, bounds)] += 1
    return Felt(
        measure=measure,
        count=len(values),
        p50=p50,
        p95=p95,
        p50_band=None if p50 is None else rated(p50, bounds),
        p95_band=None if p95 is None else rated(p95, bounds),
        rated=counts,
    )


def percentile(ordered: Sequence[float], share: int) -> float | None:
    """The nearest rank: a value that there was, never one between two."""
    if not ordered:
        return None
    return ordered[max(0, -(-len(ordered) * share // 100) - 1)]
