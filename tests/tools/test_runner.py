"""One call of a tool, from its arguments to what the model reads."""

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from tools.base import Tool, tool
from tools.context import ToolContext
from tools.exceptions import ToolCancelled, ToolFailed, ToolRetry, ToolUnavailable
from tools.runner import run


def made(function: Callable[..., Any], **options: Any) -> Tool:
    return tool(description="For a test.", **options)(function)


class Press:
    """A stop button that is pressed after it was looked at `looks` times."""

    def __init__(self, looks: int) -> None:
        self.looks = looks

    def __call__(self) -> bool:
        self.looks -= 1
        return self.looks < 0


def test_a_def_runs_in_the_callers_thread():
    def where() -> str:
        return threading.current_thread().name

    assert run(made(where), "{}", ToolContext()).text == threading.current_thread().name


def test_an_async_def_runs_too():
    async def add(a: int, b: int) -> dict[str, int]:
        await asyncio.sleep(0)
        return {"sum": a + b}

    outcome = run(made(add), '{"a": 1, "b": 2}', ToolContext())

    assert (outcome.status, outcome.text, outcome.kind) == ("succeeded", '{"sum":3}', None)


async def test_an_async_def_is_refused_where_a_loop_runs_already():
    async def nothing() -> None:
        pass

    with pytest.raises(RuntimeError, match="without an event loop"):
        run(made(nothing), "", ToolContext())


def test_arguments_that_do_not_fit_run_nothing():
    ran = []

    def count(n: int) -> None:
        ran.append(n)

    outcome = run(made(count), '{"n": "x"}', ToolContext())

    assert (outcome.status, outcome.kind, ran) == ("failed", "bad_arguments", [])


def test_a_long_result_is_kept_whole_and_told_short():
    def much() -> str:
        return "y" * 5000

    outcome = run(made(much, max_result_bytes=1000), "", ToolContext())

    assert outcome.whole == "y" * 5000
    assert outcome.text.endswith("[shortened to 920 of 5000 bytes]")
    assert outcome.shortened


@pytest.mark.parametrize(
    ("error", "status", "kind", "retryable"),
    [
        (ToolRetry("Try a bigger city."), "failed", "retry", False),
        (ToolFailed("No."), "failed", "failed", False),
        (ToolUnavailable("Away."), "failed", "unavailable", True),
        (ToolCancelled("Stopped."), "cancelled", "cancelled", False),
    ],
)
def test_what_a_tool_says_of_its_failure_reaches_the_model(
    error: Exception, status: str, kind: str, retryable: bool
):
    def fails() -> None:
        raise error

    outcome = run(made(fails), "", ToolContext())

    assert (outcome.status, outcome.kind, outcome.retryable, outcome.text) == (
        status,
        kind,
        retryable,
        str(error),
    )


def test_a_tool_that_breaks_tells_the_model_the_kind_and_staff_the_place():
    def breaks() -> None:
        raise ValueError("password=hunter2")

    outcome = run(made(breaks), "", ToolContext())

    assert (outcome.status, outcome.kind) == ("failed", "broken")
    assert "ValueError" in outcome.text
    assert "hunter2" not in outcome.text
    assert "hunter2" in outcome.detail


def test_a_result_that_is_no_json_is_the_tools_fault():
    def odd() -> object:
        return object()

    assert run(made(odd), "", ToolContext()).kind == "broken"


def test_an_async_tool_is_cancelled_when_its_time_is_up():
    async def sleeps() -> None:
        await asyncio.sleep(60)

    began = time.monotonic()
    outcome = run(made(sleeps, timeout_seconds=0.1), "", ToolContext())

    assert (outcome.status, outcome.kind) == ("timed_out", "timed_out")
    assert time.monotonic() - began < 10


def test_an_async_tool_is_cancelled_when_somebody_presses_stop():
    async def sleeps() -> None:
        await asyncio.sleep(60)

    assert run(made(sleeps), "", ToolContext(is_cancelled=Press(3))).status == "cancelled"


def test_a_coroutine_that_will_not_end_is_left_behind():
    async def stubborn() -> None:
        for _ in range(400):
            try:
                await asyncio.sleep(0.05)
            except asyncio.CancelledError:
                continue

    began = time.monotonic()
    outcome = run(made(stubborn, timeout_seconds=0.05), "", ToolContext())

    assert outcome.status == "timed_out"
    assert time.monotonic() - began < 15


def test_a_thread_that_hangs_is_not_waited_for():
    release = threading.Event()

    async def hangs() -> None:
        await asyncio.to_thread(release.wait, 60)

    try:
        assert run(made(hangs, timeout_seconds=0.1), "", ToolContext()).status == "timed_out"
    finally:
        release.set()


def test_a_def_hears_of_stop_where_it_tells_its_progress():
    told = []

    def works(context: ToolContext) -> None:
        for part in range(100):
            context.progress(part / 100, f"part {part}")

    context = ToolContext(report=lambda fraction, note: told.append((fraction, note)), is_cancelled=Press(3))
    outcome = run(made(works), "", context)

    assert outcome.status == "cancelled"
    assert told == [(0.0, "part 0"), (0.01, "part 1"), (0.02, "part 2")]


def test_a_def_hears_that_its_time_is_up_where_it_waits():
    now = [0.0]

    def works(context: ToolContext) -> None:
        context.wait(100)

    context = ToolContext(clock=lambda: now[0], sleep=lambda seconds: now.__setitem__(0, now[0] + seconds))
    outcome = run(made(works, timeout_seconds=5), "", context)

    assert outcome.status == "timed_out"
    assert now[0] == pytest.approx(5, abs=0.2)


def test_a_call_that_was_stopped_before_it_began_is_not_begun():
    ran = []

    def works() -> None:
        ran.append(1)

    assert run(made(works), "", ToolContext(is_cancelled=lambda: True)).status == "cancelled"
    assert ran == []


def test_what_the_machinery_raises_into_a_tool_ends_its_time():
    class SoftLimit(Exception):
        pass

    def works() -> None:
        raise SoftLimit

    assert run(made(works), "", ToolContext(), interrupts=(SoftLimit,)).status == "timed_out"


def test_a_fraction_stays_between_0_and_1():
    told = []
    context = ToolContext(report=lambda fraction, note: told.append((fraction, note)))

    context.progress(7, "n" * 300)
    context.progress(-1)
    context.progress(None, "no idea")

    assert told == [(1.0, "n" * 200), (0.0, ""), (None, "no idea")]
