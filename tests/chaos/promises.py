"""What has to be true of a run whatever its upstream did. Each check says what is wrong, "" where nothing is."""

import itertools
from collections.abc import Callable
from decimal import Decimal

from chat.demo.faults import ANSWERED, SOME_DELTAS, Fault
from chat.models import ModelCall
from chat.usage.pricing import estimate_tokens
from tests.chaos.runs import DELTAS, INPUT_PRICE, OUTPUT_PRICE, TOTAL_SECONDS, Ended

LATE_SECONDS = 0.5
"""What deciding may take on top of the deadline: ten of the clockwork's ticks."""
TELLING_SECONDS = 2.0
"""What storing the end may take before it is told: so long a transaction waits for SQLite (DATABASE_WAIT_SECONDS)."""
BAD_UTF8 = b"\xc3\x28\xff".decode("utf-8", "replace")
COUNTERS = ("input_tokens", "output_tokens", "cached_tokens", "cache_write_tokens", "reasoning_tokens")


def words(many: int) -> str:
    return "".join(f"w{number} " for number in range(many))


def whole_answer(fault: Fault | None) -> str:
    """Byte for byte."""
    if fault is not None and fault.name == "bad-utf8":
        return words(SOME_DELTAS) + BAD_UTF8 + words(DELTAS).removeprefix(words(SOME_DELTAS))
    return words(DELTAS)


def one_end(one: Ended) -> str:
    """Told once, in time, and stored as told."""
    if one.hung:
        return "no end"
    if one.count("run.finished") != 1:
        return f"ended {one.count('run.finished')} times"
    if one.row.status != one.status:
        return f"stored as {one.row.status}, told as {one.status}"
    if one.decided_seconds > TOTAL_SECONDS + LATE_SECONDS:
        return f"decided after {one.decided_seconds:.1f} s"
    if one.telling_seconds > TELLING_SECONDS:
        return f"told {one.telling_seconds:.1f} s after it was decided"
    return ""


def ending(one: Ended, fault: Fault | None) -> str:
    """One end: the whole answer, or the error that the fault stands for."""
    if said := one_end(one):
        return said
    outcome, phase = (fault.outcome, fault.phase) if fault is not None else (ANSWERED, "")
    expected = "completed" if outcome == ANSWERED else "failed"
    if one.status != expected:
        return f"{one.status}, not {expected}"
    if one.status == "failed" and one.code != outcome:
        return f"{one.code}, not {outcome}"
    if phase and one.error.get("phase") != phase:
        return f"timed out in {one.error.get('phase')}, not in {phase}"
    return ""


def text(one: Ended, fault: Fault | None) -> str:
    """Nothing lost, doubled or swapped: whole to the byte, or as far as the longest attempt had come."""
    if one.text_at_the_end() != one.text:
        return "what viewers saw is not what was stored"
    if one.status == "completed":
        return "" if one.text == whole_answer(fault) else "completed, but another text"
    attempts = one.attempts_shown()
    if one.text != max(attempts, key=len):
        return "not the longest attempt"
    most = words(len(one.text))
    if not all(most.startswith(attempt) for attempt in attempts):
        return "doubled, lost or swapped words"
    return ""


def bill(one: Ended, fault: Fault | None) -> str:
    """A row an attempt, each with the usage its end allows to know; the run is their sum."""
    checks: tuple[Callable[[Ended, Fault | None], str], ...] = (_attempts, _outcomes, _sums)
    found = next((said for check in checks if (said := check(one, fault))), "")
    if found:
        return found
    # A retry that was told may never have been made.
    wrote = one.attempts_shown()[: len(one.calls)]
    bills = (_one_bill(call, written, fault) for call, written in zip(one.calls, wrote, strict=True))
    return next(filter(None, bills), "")


def _attempts(one: Ended, _: Fault | None) -> str:
    retries = one.count("run.retrying")
    # A retry that was announced may meet an open breaker.
    if len(one.calls) not in (retries, retries + 1) or (
        one.status == "completed" and len(one.calls) != retries + 1
    ):
        return f"{len(one.calls)} rows in the ledger, {retries} retries told"
    if [call.attempt for call in one.calls] != list(range(1, len(one.calls) + 1)):
        return "attempts are not numbered from 1"
    return ""


def _outcomes(one: Ended, fault: Fault | None) -> str:
    *earlier, last = [call.outcome for call in one.calls] or ["none"]
    if one.calls and one.status == "completed" and last != "completed":
        return f"the ledger's last row says {last}"
    if fault is not None and any(outcome != fault.outcome for outcome in earlier):
        return f"the ledger's rows say {earlier}"
    return ""


def _sums(one: Ended, _: Fault | None) -> str:
    usage = one.row.usage or {}
    for name in COUNTERS:
        known = [value for call in one.calls if (value := getattr(call, name)) is not None]
        if usage.get(name) != (sum(known) if known else None):
            return f"{name} is not the sum of the attempts"
    costs = [call.cost for call in one.calls if call.cost is not None]
    if one.row.cost != (sum(costs) if costs else None):
        return "the cost is not the sum of the attempts"
    return ""


def _one_bill(call: ModelCall, wrote: str, fault: Fault | None) -> str:
    if call.cost != _price(call):
        return f"cost {call.cost}, not {_price(call)}"
    if call.outcome == "completed":
        deltas = DELTAS + (fault is not None and fault.name == "bad-utf8")
        if (call.usage_source, call.output_tokens) != ("reported", deltas):
            return f"answered, but billed {call.output_tokens} ({call.usage_source})"
    elif (call.http_status or 0) >= 400 or call.http_status is None:
        if (call.usage_source, call.input_tokens, call.output_tokens) != ("unknown", None, None):
            return f"refused, but billed {call.output_tokens} ({call.usage_source})"
    elif call.usage_source == "estimated" and call.output_tokens != estimate_tokens(wrote):
        if call.output_tokens and fault is not None and fault.name == "cut-in-arguments":
            return ""  # arguments are written too, and not shown
        return f"wrote {estimate_tokens(wrote)}, but billed {call.output_tokens}"
    return ""


def _price(call: ModelCall) -> Decimal | None:
    if call.input_tokens is None and call.output_tokens is None:
        return None
    cost = (call.input_tokens or 0) * INPUT_PRICE + (call.output_tokens or 0) * OUTPUT_PRICE
    return cost.scaleb(-6).quantize(Decimal("0.000000001"))


def ordered(values: dict[str, int]) -> str:
    """`provider_cut 90, completed 10`."""
    most = sorted(values.items(), key=lambda pair: (-pair[1], pair[0]))
    return ", ".join(itertools.starmap("{} {}".format, most))
