"""What each model reports for a token of the rule, from its newest calls. A function of the ledger alone."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from statistics import median
from typing import Any, Final

from msgspec import Struct

from chat.models import LanguageModel, ModelCall
from chat.usage.estimates import RULE

NEWEST: Final = 200
"""Calls that are looked at. The ratio is the median of theirs: no single call, however odd, moves it far."""
FEWEST: Final = 10
DAYS: Final = 30
LEAST_TOKENS: Final = 20
"""Of the rule: of less, the rounding says more than the model."""
BOUNDS: Final = (Decimal("0.25"), Decimal(4))


class Ratio(Struct, frozen=True):
    ratio: Decimal | None
    calls: int


def calibrate(now: datetime) -> int:
    """Looks at all models that are in use; how many have other ratios now."""
    changed = 0
    for model in LanguageModel.objects.filter(enabled=True).select_related("provider").order_by("pk"):
        ratios = ratios_of(model, now)
        as_before = {name: getattr(model, name) for name in ratios} == ratios
        if not as_before:
            changed += LanguageModel.objects.filter(pk=model.pk).update(**ratios)
    return changed


def ratios_of(model: LanguageModel, now: datetime) -> dict[str, Any]:
    """The columns of `LanguageModel`."""
    calls = ModelCall.objects.filter(
        provider=model.provider.name,
        model=model.name,
        started_at__gt=now - timedelta(days=DAYS),
        started_at__lte=now,
        usage_source=ModelCall.Source.REPORTED,
        outcome="completed",
        estimate__isnull=False,
    ).order_by("-started_at", "-pk")
    newest = list(calls.values_list("estimate", "input_tokens", "output_tokens", "reasoning_tokens")[:NEWEST])
    ruled = [(said, *figures) for said, *figures in newest if said is not None and said.get("rule") == RULE]
    read = _ratio((reported, said["input"]) for said, reported, _, _ in ruled)
    # Thoughts that are billed and not shown are not what the rule counts.
    written = _ratio((reported, said["output"]) for said, _, reported, thought in ruled if not thought)
    return {
        "input_ratio": read.ratio,
        "input_ratio_calls": read.calls,
        "output_ratio": written.ratio,
        "output_ratio_calls": written.calls,
    }


def _ratio(pairs: Iterable[tuple[int | None, int | None]]) -> Ratio:
    """Of pairs of reported and ruled tokens; none where there are too few."""
    ratios = [
        Decimal(reported) / ruled
        for reported, ruled in pairs
        if reported is not None and ruled is not None and ruled >= LEAST_TOKENS
    ]
    if len(ratios) < FEWEST:
        return Ratio(None, len(ratios))
    least, most = BOUNDS
    return Ratio(min(max(median(ratios), least), most).quantize(Decimal("0.001")), len(ratios))
