"""How things stand at the moment of a scrape: read where they are kept, so that keeping them costs nothing more."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from statistics import median
from typing import Final

from msgspec import Struct
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from chat.telemetry.bounded import OTHER
from chat.telemetry.runs import MOST_PROVIDERS, PREFIX

BREAKER_STATES: Final = ("closed", "open", "half_open", "forced_open", "forced_closed")
OPEN_STATUSES: Final = ("queued", "running", "waiting")
NODE_KINDS: Final = ("web", "worker")
KNOWN_CODES: Final = frozenset((1000, 1001, 1005, 1006, 1011, 1012, 4401, 4408, 4409, 4413, 4422, 4429, 4503))
"""Clients may close with any code they like."""


class Sockets(Struct, frozen=True):
    """`backlog` and `blocked_seconds` have a figure for each open socket."""

    backlog: Sequence[int] = ()
    """Events that are there for it and were not yet given to the server."""
    blocked_seconds: Sequence[float] = ()
    """How long it has been waiting for the client's acknowledgement; 0 where it is not."""
    closed: Mapping[int, int] = {}
    """By code, since the start."""


class Process(Struct, frozen=True):
    """What the process knows without asking anybody."""

    runs_here: int = 0
    draining: bool = False
    loop_lag_seconds: float = 0.0
    events_told: int = 0
    event_bytes_told: int = 0
    database_busy: int = 0
    database_waiting: int = 0
    log_delayed: bool = False
    runs_unwritten: int = 0
    events_unwritten: int = 0
    heartbeats_missed: int = 0
    sockets: Sockets = Sockets()


class Stored(Struct, frozen=True):
    """What the database says."""

    open_runs: Mapping[str, int] = {}
    nodes: Mapping[str, int] = {}
    providers: Mapping[str, str] = {}
    """Name by key."""


class State(Struct, frozen=True):
    """None: who knows it did not answer in time, or need not be asked. `process` is None before the first visitor."""

    process: Process | None = None
    stored: Stored | None = None
    queues: Mapping[str, int] | None = None
    breakers: Mapping[str, str] | None = None
    """State by the provider's name."""

    def families(self) -> Iterator[Metric]:
        if self.process is not None:
            yield from _process(self.process)
            yield from _sockets(self.process.sockets)
        yield gauge(
            "database_up", "1 where the database answered this scrape.", float(self.stored is not None)
        )
        if self.stored is not None:
            yield from _stored(self.stored)
        yield gauge(
            "broker_up", "1 where Celery's broker answered this scrape.", float(self.queues is not None)
        )
        if self.queues is not None:
            yield by_label("queue_depth", "Tasks that wait in a queue.", "queue", self.queues.items())
        if self.breakers is not None:
            yield _breakers(self.breakers)


def gauge(name: str, what: str, value: float) -> Metric:
    return GaugeMetricFamily(f"{PREFIX}_{name}", what, value=value)


def counter(name: str, what: str, value: float) -> Metric:
    return CounterMetricFamily(f"{PREFIX}_{name}", what, value=value)


def by_label(name: str, what: str, label: str, values: Iterable[tuple[str, float]]) -> Metric:
    family = GaugeMetricFamily(f"{PREFIX}_{name}", what, labels=[label])
    for key, value in values:
        family.add_metric([key], value)
    return family


def _process(process: Process) -> Iterator[Metric]:
    yield gauge("runs_here", "Answers being made by this process.", process.runs_here)
    yield gauge("draining", "1 while this process ends and takes no new answers.", float(process.draining))
    yield gauge(
        "event_loop_lag_seconds",
        "How late the event loop is: the latest high, falling by 30 % each 50 ms.",
        process.loop_lag_seconds,
    )
    yield counter(
        "events_told", "Events of answers told by this process, deltas and all others.", process.events_told
    )
    yield counter(
        "event_bytes_told",
        "Bytes of those events, each counted once however many follow.",
        process.event_bytes_told,
    )
    yield gauge("database_threads_busy", "Threads that ask the database just now.", process.database_busy)
    yield gauge("database_threads_waiting", "Callers in line for such a thread.", process.database_waiting)
    yield gauge(
        "event_log_delayed",
        "1 while events do not travel between processes because Redis is away.",
        float(process.log_delayed),
    )
    yield gauge(
        "event_log_runs_unwritten",
        "Answers made here of which Redis lacks something.",
        process.runs_unwritten,
    )
    yield gauge("event_log_events_unwritten", "Events that Redis lacks.", process.events_unwritten)
    yield counter(
        "heartbeats_missed",
        "Signs of life this process could not give, because its event loop hung or the database was away.",
        process.heartbeats_missed,
    )


def _sockets(sockets: Sockets) -> Iterator[Metric]:
    yield gauge("sockets_open", "WebSockets that are signed in and open.", len(sockets.backlog))
    yield gauge(
        "sockets_blocked",
        "Sockets that wait for their client's acknowledgement before more is sent.",
        sum(seconds > 0 for seconds in sockets.blocked_seconds),
    )
    backlog, blocked = sockets.backlog or (0,), sockets.blocked_seconds or (0.0,)
    yield by_label(
        "socket_backlog_events",
        "Events that are there and were not sent yet, of the median socket (0.5) and of the slowest (1).",
        "quantile",
        (("0.5", median(backlog)), ("1", max(backlog))),
    )
    yield by_label(
        "socket_blocked_seconds",
        "How long the median socket (0.5) and the slowest (1) have waited for an acknowledgement.",
        "quantile",
        (("0.5", median(blocked)), ("1", max(blocked))),
    )
    closed = CounterMetricFamily(
        f"{PREFIX}_sockets_closed",
        "Sockets that were closed, by the WebSocket's close code.",
        labels=["code"],
    )
    for code in KNOWN_CODES:
        closed.add_metric([str(code)], sockets.closed.get(code, 0))
    closed.add_metric([OTHER], sum(n for code, n in sockets.closed.items() if code not in KNOWN_CODES))
    yield closed


def _stored(stored: Stored) -> Iterator[Metric]:
    statuses = {**dict.fromkeys(OPEN_STATUSES, 0), **stored.open_runs}
    yield by_label(
        "runs_open", "Answers of all processes that have not ended, by status.", "status", statuses.items()
    )
    kinds = {**dict.fromkeys(NODE_KINDS, 0), **stored.nodes}
    yield by_label("nodes_alive", "Processes heard of within the lease, by kind.", "kind", kinds.items())


def _breakers(breakers: Mapping[str, str]) -> Metric:
    family = GaugeMetricFamily(
        f"{PREFIX}_breaker_state",
        "1 for the state a provider's circuit breaker is in.",
        labels=["provider", "state"],
    )
    # Of very many, those that are not well come first.
    worst_first = sorted(breakers.items(), key=lambda item: (item[1] == "closed", item[0]))
    for name, state in worst_first[:MOST_PROVIDERS]:
        for one in BREAKER_STATES:
            family.add_metric([name, one], float(one == state))
    return family
