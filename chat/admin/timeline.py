"""A run's time as rows of bars, from what its rows say: lines of waiting, calls and their attempts, tools, waits.

Pure: rows in, geometry and words out. A bar's place is in per cent of the whole, so that SVG draws it at any width.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import groupby
from typing import Final

from django.utils.translation import gettext as _
from msgspec import Struct

from chat.models import ModelCall, Run, ToolInvocation

MOST_LINES: Final = 200
LEAST_WIDTH: Final = 0.4
"""Per cent: what is shorter can still be seen."""
_STEPS: Final = (
    0.1,
    0.2,
    0.5,
    1,
    2,
    5,
    10,
    20,
    30,
    60,
    120,
    300,
    600,
    1800,
    3600,
    7200,
    21_600,
    86_400,
    604_800,
)
_ENDED_WELL: Final = ("completed", "stopped", "running")


class Span(Struct, frozen=True):
    """In seconds since the run was asked for."""

    kind: str
    start: float
    end: float

    @property
    def seconds(self) -> float:
        return max(0.0, self.end - self.start)


class Bar(Struct, frozen=True):
    kind: str
    x: str
    width: str


class Tick(Struct, frozen=True):
    x: str
    label: str
    anchor: str


class Line(Struct, frozen=True):
    """`said` is the line in words, for whoever does not see the bars. `sub`: a part of the line above."""

    label: str
    icon: str
    spans: tuple[Span, ...]
    sub: bool = False
    said: str = ""
    took: str = ""
    bars: tuple[Bar, ...] = ()


class Timeline(Struct, frozen=True):
    lines: tuple[Line, ...]
    ticks: tuple[Tick, ...]
    key: tuple[tuple[str, str], ...]
    """The kinds of bars that are drawn, with their words."""
    left_out: int = 0


def timeline(
    run: Run, calls: Sequence[ModelCall], invocations: Sequence[ToolInvocation], now: datetime
) -> Timeline:
    """`calls` and `invocations` are all of the run's; what is not over lasts until `now`."""
    clock = _Clock(run.created_at, run.finished_at or now)
    lines = [line for line in _all_lines(run, calls, invocations, clock) if line.spans]
    whole = max([clock.end, *(span.end for line in lines for span in line.spans)], default=0.0) or 0.001
    shown = lines[:MOST_LINES]
    kinds = {span.kind for line in shown for span in line.spans}
    return Timeline(
        tuple(_drawn(line, whole) for line in shown),
        tuple(_ticks(whole)),
        tuple((kind, word) for kind, word in _words().items() if kind in kinds),
        len(lines) - len(shown),
    )


def seconds_words(seconds: float) -> str:
    if 0 < seconds < 0.095:
        return f"{max(1, round(seconds * 1000))} ms"
    if seconds < 1:
        return f"{seconds:.2f} s"
    if seconds < 120:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 120:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min"


def waited_seconds(lines: Iterable[Line]) -> float:
    """How long it waited for somebody outside; what overlaps counts once."""
    return sum(
        end - start
        for start, end in _union(span for line in lines for span in line.spans if span.kind == "wait")
    )


class _Clock(Struct, frozen=True):
    origin: datetime
    over: datetime

    def at(self, moment: datetime | None) -> float:
        """Clocks of several machines differ by a little; nothing begins before the run."""
        return max(0.0, ((moment or self.over) - self.origin).total_seconds())

    @property
    def end(self) -> float:
        return self.at(self.over)


def _all_lines(
    run: Run, calls: Sequence[ModelCall], invocations: Sequence[ToolInvocation], clock: _Clock
) -> Iterator[Line]:
    attempts = sorted(calls, key=lambda call: (call.step, call.epoch, call.attempt, call.started_at))
    first = min((_began(call, clock) for call in attempts), default=clock.end)
    yield Line(_("Queue, history"), "clock", _spans(Span("queue", 0.0, first)))
    tools = sorted(invocations, key=lambda one: (one.step, one.position))
    for step in sorted({call.step for call in attempts} | {tool.step for tool in tools}):
        yield from _step_lines(step, [call for call in attempts if call.step == step], clock)
        for tool in tools:
            if tool.step == step:
                yield from _tool_lines(tool, clock)
    parked = _parked(attempts, tools, clock)
    yield Line(_("Parked: held by no process"), "server", tuple(parked))
    if run.stop_requested_at is not None:
        yield Line(_("Stop asked for"), "stop", (_stop(run, clock),))


def _began(call: ModelCall, clock: _Clock) -> float:
    """When it came to the lines before it."""
    return max(0.0, clock.at(call.started_at) - (call.queue_ms or 0) / 1000)


def _ended(call: ModelCall, following: ModelCall | None, clock: _Clock) -> float:
    """Where nobody lived to say so: when the next attempt began."""
    if call.duration_ms is not None:
        return clock.at(call.started_at) + call.duration_ms / 1000
    return _began(following, clock) if following is not None else clock.end


def _step_lines(step: int, attempts: Sequence[ModelCall], clock: _Clock) -> Iterator[Line]:
    subs: list[Line] = []
    before: ModelCall | None = None
    for at, call in enumerate(attempts):
        following = attempts[at + 1] if at + 1 < len(attempts) else None
        if before is not None:
            gap = Span("pause", _ended(before, call, clock), _began(call, clock))
            subs.append(_gap_line(before, call, gap))
        subs.append(_attempt_line(call, _ended(call, following, clock), clock))
        before = call
    if before is None:
        return
    whole = tuple(span for line in subs for span in line.spans)
    label = _("Step %(step)d · %(model)s") % {"step": step, "model": before.model}
    yield Line(label, "play", whole, said="" if len(attempts) > 1 else _outcome(before))
    if len(attempts) > 1:
        yield from subs


def _gap_line(before: ModelCall, call: ModelCall, gap: Span) -> Line:
    if before.epoch != call.epoch:
        label = _("Taken over: epoch %(epoch)d") % {"epoch": call.epoch}
        # Nobody lived to say when the other one's time was over: where there is no gap there is still the moment.
        return Line(label, "swap", (gap,), sub=True)
    label = _("Wait before attempt %(attempt)d") % {"attempt": call.attempt}
    return Line(label, "clock", _spans(gap), sub=True)


def _attempt_line(call: ModelCall, end: float, clock: _Clock) -> Line:
    label = _("Attempt %(attempt)d: %(outcome)s") % {"attempt": call.attempt, "outcome": _outcome(call)}
    good = call.outcome in _ENDED_WELL
    return Line(label, "check" if good else "warn", _call_spans(call, end, clock), sub=True)


def _outcome(call: ModelCall) -> str:
    if call.outcome in _ENDED_WELL:
        return call.finish_reason or call.outcome
    status = f"{call.http_status} " if call.http_status is not None and call.http_status >= 400 else ""
    return f"{status}{call.outcome}"


def _call_spans(call: ModelCall, end: float, clock: _Clock) -> tuple[Span, ...]:
    start = clock.at(call.started_at)
    queue = Span("queue", _began(call, clock), start)
    failed = call.outcome not in _ENDED_WELL
    if call.ttft_ms is None:
        return _spans(queue, Span("fail" if failed else "first", start, end))
    connected = start + min(call.connect_ms or 0, call.ttft_ms) / 1000
    first = min(start + call.ttft_ms / 1000, end)
    spans = [
        queue,
        Span("connect", start, connected),
        Span("first", connected, first),
        Span("model", first, end),
    ]
    return (*_spans(*spans), *([Span("fail", end, end)] if failed else []))


def _tool_lines(tool: ToolInvocation, clock: _Clock) -> Iterator[Line]:
    asked, ended = clock.at(tool.created_at), clock.at(tool.finished_at)
    waits_now = tool.status == ToolInvocation.Status.WAITING
    if tool.decided_at is not None or (waits_now and tool.waits_for == ToolInvocation.Waits.APPROVAL):
        until = clock.at(tool.decided_at)
        yield Line(_("%(tool)s: approval") % {"tool": tool.name}, "user", _spans(Span("wait", asked, until)))
        asked = until
        if tool.decision == "reject":
            return
    if tool.kind == ToolInvocation.Kind.CLIENT:
        yield Line(
            _("%(tool)s: its caller") % {"tool": tool.name}, "monitor", _spans(Span("wait", asked, ended))
        )
        return
    yield Line(_tool_label(tool), "data", _run_spans(tool, asked, ended, clock), said=str(tool.status))


def _tool_label(tool: ToolInvocation) -> str:
    words = [tool.name]
    if tool.kind == ToolInvocation.Kind.WEBHOOK:
        words.append(_("webhook"))
    if tool.attempts > 1:
        words.append(_("%(count)d attempts") % {"count": tool.attempts})
    if tool.ended and tool.status != ToolInvocation.Status.SUCCEEDED:
        words.append(str(tool.status))
    return ": ".join([words[0], ", ".join(words[1:])]) if words[1:] else words[0]


def _run_spans(tool: ToolInvocation, asked: float, ended: float, clock: _Clock) -> tuple[Span, ...]:
    good = not tool.ended or tool.status == ToolInvocation.Status.SUCCEEDED
    kind = "tool" if good else "fail"
    if tool.status == ToolInvocation.Status.WAITING:
        kind = "wait"
    if tool.started_at is None:
        return _spans(Span("queue" if good else "fail", asked, ended))
    started = max(asked, clock.at(tool.started_at))
    return _spans(Span("queue", asked, started), Span(kind, started, max(started, ended)))


def _parked(calls: Sequence[ModelCall], tools: Sequence[ToolInvocation], clock: _Clock) -> list[Span]:
    """Where somebody was waited for and nothing was done meanwhile."""
    waits = [
        span
        for tool in tools
        for line in _tool_lines(tool, clock)
        for span in line.spans
        if span.kind == "wait"
    ]
    busy = [
        span
        for tool in tools
        for line in _tool_lines(tool, clock)
        for span in line.spans
        if span.kind in ("tool", "fail", "queue")
    ]
    busy += [Span("model", clock.at(call.started_at), _ended(call, None, clock)) for call in calls]
    return [Span("parked", *free) for wait in _union(waits) for free in _without(wait, _union(busy))]


def _stop(run: Run, clock: _Clock) -> Span:
    start = clock.at(run.stop_requested_at)
    closed = (run.stop_receipt or {}).get("upstream_closed_at")
    return Span("stop", start, max(start, clock.at(datetime.fromisoformat(closed))) if closed else start)


def _union(spans: Iterable[Span]) -> list[tuple[float, float]]:
    found: list[tuple[float, float]] = []
    for start, end in sorted((span.start, span.end) for span in spans):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return found


def _without(
    whole: tuple[float, float], parts: Iterable[tuple[float, float]]
) -> Iterator[tuple[float, float]]:
    at, end = whole
    for start, until in parts:
        if until <= at or start >= end:
            continue
        if start > at:
            yield at, start
        at = max(at, until)
    if at < end:
        yield at, end


def _spans(*spans: Span) -> tuple[Span, ...]:
    return tuple(span for span in spans if span.end > span.start)


def _drawn(line: Line, whole: float) -> Line:
    start, end = min(span.start for span in line.spans), max(span.end for span in line.spans)
    took = seconds_words(sum(span.seconds for span in line.spans) if _has_gaps(line) else end - start)
    words = _words()
    parts = ", ".join(
        f"{words[kind]} {seconds_words(sum(s.seconds for s in of_kind))}" for kind, of_kind in _by_kind(line)
    )
    said = _("from %(start)s to %(end)s: %(parts)s") % {
        "start": seconds_words(start),
        "end": seconds_words(end),
        "parts": parts,
    }
    bars = tuple(_bar(span, whole) for span in line.spans)
    return Line(
        line.label, line.icon, line.spans, line.sub, f"{line.said}, {said}" if line.said else said, took, bars
    )


def _has_gaps(line: Line) -> bool:
    return len(_union(line.spans)) > 1 and line.spans[0].kind == "parked"


def _by_kind(line: Line) -> Iterator[tuple[str, list[Span]]]:
    for kind, spans in groupby(sorted(line.spans, key=lambda span: span.kind), key=lambda span: span.kind):
        yield kind, list(spans)


def _bar(span: Span, whole: float) -> Bar:
    width = max(LEAST_WIDTH, 100 * span.seconds / whole)
    x = min(100 * span.start / whole, 100 - width)
    return Bar(span.kind, f"{x:.2f}%", f"{width:.2f}%")


def _ticks(whole: float) -> Iterator[Tick]:
    step = next((step for step in _STEPS if whole / step <= 6), _STEPS[-1])
    for number in range(int(whole / step) + 1):
        at = 100 * number * step / whole
        anchor = "start" if number == 0 else "end" if at > 95 else "middle"
        yield Tick(f"{at:.2f}%", _tick_words(number * step), anchor)


def _tick_words(seconds: float) -> str:
    if seconds >= 3600 and seconds % 60 == 0:
        return f"{seconds / 3600:g} h"
    return f"{seconds / 60:g} min" if seconds >= 120 else f"{seconds:g} s"


def _words() -> dict[str, str]:
    return {
        "queue": _("in a queue"),
        "connect": _("connect"),
        "first": _("to first token"),
        "model": _("streaming"),
        "tool": _("tool"),
        "wait": _("waiting for somebody"),
        "parked": _("parked"),
        "pause": _("backoff, takeover"),
        "stop": _("stopping"),
        "fail": _("failed"),
    }
