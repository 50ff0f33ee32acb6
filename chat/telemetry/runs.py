"""What is counted of runs and model calls. Belongs to the event loop; a scrape reads it from a thread."""

from collections.abc import Iterator, Mapping
from typing import Final

from msgspec import Struct
from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics
from prometheus_client.core import CounterMetricFamily, Metric

from chat.conf import Bands, Bounds
from chat.telemetry.bands import rated
from chat.telemetry.bounded import Bounded

PREFIX: Final = "lectern"
MOST_MODELS: Final = 100
MOST_PROVIDERS: Final = 50
MOST_TOOLS: Final = 50
STATUSES: Final = ("completed", "stopped", "failed", "limit_reached")
FIRST_TOKEN_BUCKETS: Final = (
    0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 20, 30, 60, 120,
)  # fmt: skip
PACE_BUCKETS: Final = (2, 5, 10, 20, 30, 40, 50, 75, 100, 150, 200, 400)
DURATION_BUCKETS: Final = (0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600)
TOOL_BUCKETS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
STOP_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)


class EndedRun(Struct, frozen=True):
    """The last figures of a run that ended here. None: there is no such figure."""

    status: str
    code: str = ""
    """Of the error that ended it."""
    whole: bool = True
    """False: it was taken over on the way, so its times began elsewhere."""
    first_token_seconds: float | None = None
    duration_seconds: float = 0.0
    tokens_per_second: float | None = None
    output_tokens: int | None = None
    stop_seconds: float | None = None
    """From the moment the stop was asked for until the line upstream was closed."""


class RunMeters:
    """Counters only grow and begin at zero with the process, as Prometheus expects them."""

    def __init__(self, registry: CollectorRegistry, bands: Bands) -> None:
        # Else every counter and histogram brings a second series with the time it was made.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._bands = bands
        self._models, self._providers = Bounded(MOST_MODELS), Bounded(MOST_PROVIDERS)
        self._tool_names = Bounded(MOST_TOOLS)
        self.deltas = 0
        """Pieces of answers told by runs made here: a plain number, because it is raised all the time."""

        def counter(name: str, what: str, *labels: str) -> Counter:
            return Counter(f"{PREFIX}_{name}", what, labels, registry=registry)

        def histogram(name: str, what: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
            return Histogram(f"{PREFIX}_{name}", what, labels, buckets=buckets, registry=registry)

        self._begun = counter(
            "runs_begun", "Answers begun by this process: new ones, and ones taken over.", "how"
        )
        self._ended = counter("runs_ended", "Answers that ended in this process, by their status.", "status")
        self._errors = counter(
            "run_errors", "Answers that ended in an error, by its code (docs/reference/errors.md).", "code"
        )
        self._left = counter(
            "runs_left",
            "Answers this process stopped making before their end: abandoned to another process that had claimed "
            "them, handed over at a restart, parked until somebody answers, or broken off by a defect.",
            "why",
        )
        self._lost = counter("runs_lost", "Orphaned answers this process found and could only end as failed.")
        self._first_token = histogram(
            "run_first_token_seconds",
            "Seconds from the question until something of the answer showed.",
            FIRST_TOKEN_BUCKETS,
        )
        self._pace = histogram(
            "run_tokens_per_second", "Tokens a second of an answer, from its first token on.", PACE_BUCKETS
        )
        self._duration = histogram(
            "run_duration_seconds",
            "Seconds from the question to the end of the answer.",
            DURATION_BUCKETS,
            "status",
        )
        self._stop = histogram(
            "run_stop_seconds",
            "Seconds from a stop being asked for until the line upstream was closed.",
            STOP_BUCKETS,
        )
        self._ratings = counter(
            "run_ratings",
            "How answers felt: good, slow or bad, by the bands of the settings. Of the total only short answers.",
            "figure",
            "band",
        )
        self._calls = counter(
            "model_calls", "Calls to providers, by how they ended: completed, stopped or an error code.",
            "provider", "outcome",
        )  # fmt: skip
        self._retries = counter(
            "model_retries",
            "Calls to providers that were made again, by the error before.",
            "provider",
            "code",
        )
        self._tokens = counter(
            "tokens", "Tokens of ended model calls, as reported or estimated.", "provider", "model", "kind"
        )
        self._cost = counter(
            "cost", "Cost of ended model calls at the prices of their time; the ledger is exact.",
            "provider", "model", "currency",
        )  # fmt: skip

        self._estimated = counter(
            "estimated_tokens", "Those of `tokens` that were estimated, as nobody had reported them.",
            "provider", "model", "kind",
        )  # fmt: skip
        self._estimated_cost = counter(
            "estimated_cost", "How much of `cost` rests on estimated tokens.", "provider", "model", "currency"
        )

        self._tools = counter(
            "tool_invocations", "Tools that ended in answers made here, by how.", "tool", "status"
        )
        self._tool_duration = histogram(
            "tool_duration_seconds",
            "Seconds from a worker's claim of a tool until its result.",
            TOOL_BUCKETS,
            "tool",
        )
        self._start_at_zero()

    def _start_at_zero(self) -> None:
        """What is known beforehand shows as 0, so that the first one is seen as an increase."""
        for how in ("new", "taken_over"):
            self._begun.labels(how)
        for why in ("abandoned", "handed_over", "parked", "broken_off"):
            self._left.labels(why)
        for status in STATUSES:
            self._ended.labels(status)
            self._duration.labels(status)
        for figure in ("first_token", "pace", "total", "stop"):
            for band in ("good", "slow", "bad"):
                self._ratings.labels(figure, band)

    # --- runs -----------------------------------------------------------------------------------------

    def begun(self, *, taken_over: bool) -> None:
        self._begun.labels("taken_over" if taken_over else "new").inc()

    def ended(self, run: EndedRun) -> None:
        self._ended.labels(run.status).inc()
        if run.code:
            self._errors.labels(run.code).inc()
        if run.whole:
            self._duration.labels(run.status).observe(run.duration_seconds)
            if run.first_token_seconds is not None:
                self._first_token.observe(run.first_token_seconds)
                self._rate("first_token", run.first_token_seconds, self._bands.first_token_seconds)
            if run.status == "completed" and 0 < (run.output_tokens or 0) <= self._bands.short_answer_tokens:
                self._rate("total", run.duration_seconds, self._bands.short_answer_seconds)
        if run.tokens_per_second is not None:
            self._pace.observe(run.tokens_per_second)
            self._rate("pace", run.tokens_per_second, self._bands.tokens_per_second)
        if run.stop_seconds is not None:
            self._stop.observe(run.stop_seconds)
            self._rate("stop", run.stop_seconds, self._bands.stop_seconds)

    def left(self, why: str, runs: int = 1) -> None:
        self._left.labels(why).inc(runs)

    def lost(self) -> None:
        self._lost.inc()

    def _rate(self, figure: str, value: float, bounds: Bounds) -> None:
        self._ratings.labels(figure, rated(value, bounds)).inc()

    # --- model calls ----------------------------------------------------------------------------------

    def retried(self, provider: str, code: str) -> None:
        self._retries.labels(*self._providers(provider), code).inc()

    def called(
        self,
        provider: str,
        model: str,
        *,
        outcome: str,
        tokens: Mapping[str, int | None],
        cost: float | None,
        currency: str,
        estimated: bool = False,
    ) -> None:
        """A model call has its row in the ledger."""
        self._calls.labels(*self._providers(provider), outcome).inc()
        names = self._models(provider, model)
        for kind, count in tokens.items():
            if count:
                self._tokens.labels(*names, kind).inc(count)
                if estimated:
                    self._estimated.labels(*names, kind).inc(count)
        if cost:
            self._cost.labels(*names, currency).inc(cost)
            if estimated:
                self._estimated_cost.labels(*names, currency).inc(cost)

    # --- tools ----------------------------------------------------------------------------------------

    def tool_ended(self, tool: str, status: str, seconds: float) -> None:
        """`tool` "": the model asked for one that there is not; what it called it is no label."""
        (name,) = self._tool_names(tool or "none")
        self._tools.labels(name, status).inc()
        if status in {"succeeded", "failed", "timed_out"}:
            self._tool_duration.labels(name).observe(seconds)

    # --- read when asked ------------------------------------------------------------------------------

    def families(self) -> Iterator[Metric]:
        """What is kept as plain numbers."""
        yield CounterMetricFamily(
            f"{PREFIX}_deltas_told", "Pieces of answers told by this process.", value=self.deltas
        )
