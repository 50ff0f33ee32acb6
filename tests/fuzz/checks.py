"""What holds of every answer, whatever bytes it was made of."""

from typing import Any

import msgspec

from chat.exceptions import ProviderError
from chat.llm.deltas import (
    Delta,
    Failed,
    Finished,
    Started,
    ToolArgumentsDelta,
    ToolCallReady,
    ToolCallStarted,
    UsageReported,
)

GROWTH, ALLOWANCE_CHARACTERS = 40, 20_000
"""A provider may say a text again as a whole, or take it back; it may not make us say much more than it sent."""


def check_answer(deltas: list[Delta], sent_bytes: int) -> None:
    """The promises of chat.llm.deltas, that all text can be stored, and that little does not become much."""
    assert deltas, "an answer that never ends"
    assert isinstance(deltas[-1], Finished | Failed), "the last delta is no end"
    assert not any(isinstance(delta, Finished | Failed) for delta in deltas[:-1]), "it ends twice"
    assert [i for i, delta in enumerate(deltas) if isinstance(delta, Started)] in ([], [0])
    assert [i for i, delta in enumerate(deltas) if isinstance(delta, UsageReported)] in (
        [],
        [len(deltas) - 2],
    )
    _check_calls(deltas)
    said = sum(_check_delta(delta) for delta in deltas)
    assert said <= GROWTH * sent_bytes + ALLOWANCE_CHARACTERS, f"{sent_bytes} bytes became {said} characters"


def check_error(error: ProviderError) -> None:
    """Fit for users and for storage, and no longer than anybody reads."""
    assert isinstance(error, ProviderError)
    assert str(error)
    assert len(str(error)) < 300
    assert len(error.detail) < 5000
    assert error.retry_after_seconds is None or 0 <= error.retry_after_seconds <= 86_400
    assert error.status is None or 100 <= error.status <= 599
    check_text([str(error), error.detail, error.upstream_code, error.field])


def check_text(value: Any) -> int:
    """Every string can be stored as UTF-8 in PostgreSQL; returns their length."""
    if isinstance(value, str):
        assert "\x00" not in value, "a NUL"
        value.encode()  # raises for lone surrogates
        return len(value)
    if isinstance(value, dict):
        return sum(check_text(name) + check_text(item) for name, item in value.items())
    if isinstance(value, list | tuple):
        return sum(map(check_text, value))
    return 0


def _check_delta(delta: Delta) -> int:
    if isinstance(delta, Failed):
        check_error(delta.error)
        return 0
    return check_text(list(msgspec.structs.asdict(delta).values()))


def _check_calls(deltas: list[Delta]) -> None:
    begun: set[int] = set()
    ready: set[int] = set()
    for delta in deltas:
        if isinstance(delta, ToolCallStarted):
            assert delta.slot not in begun, "a call begins twice"
            begun.add(delta.slot)
        elif isinstance(delta, ToolArgumentsDelta):
            assert delta.slot in begun - ready, "arguments of a call that is not open"
        elif isinstance(delta, ToolCallReady):
            assert delta.slot in begun - ready, "a call that is not open is ready"
            assert delta.arguments or delta.opaque, "a call without arguments is one with {}"
            ready.add(delta.slot)
    assert not ready or isinstance(deltas[-1], Finished), "a call is ready in a stream that failed"
