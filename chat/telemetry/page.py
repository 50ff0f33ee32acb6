"""The page that Prometheus reads: what was counted, and how things stand."""

import platform
from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, GCCollector, ProcessCollector
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, choose_encoder, generate_latest

from chat.conf import Bands
from chat.telemetry.runs import PREFIX, RunMeters
from chat.telemetry.state import State


class Telemetry:
    """One a runtime. `page` may be called from any thread."""

    def __init__(self, bands: Bands, *, version: str) -> None:
        self._version = version
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        GCCollector(registry=self._registry)
        self.runs = RunMeters(self._registry, bands)

    def families(self, state: State) -> Iterator[Metric]:
        yield self._build()
        yield from self._registry.collect()
        yield from self.runs.families()
        yield from state.families()

    def page(self, state: State, accept: str = "") -> tuple[bytes, str]:
        """The text and its content type: OpenMetrics where `accept` asks for it."""
        encode, content_type = _encoder(accept)
        return encode(_Families(lambda: self.families(state))), content_type

    def _build(self) -> Metric:
        build = GaugeMetricFamily(
            f"{PREFIX}_build_info", "Always 1; its labels say what runs.", labels=["version", "python"]
        )
        build.add_metric([self._version, platform.python_version()], 1)
        return build


class _Families:
    """As much of a registry as an encoder asks for."""

    def __init__(self, collect: Callable[[], Iterator[Metric]]) -> None:
        self.collect = collect


def _encoder(accept: str) -> tuple[Callable[[_Families], bytes], str]:
    try:
        return choose_encoder(accept)
    except (TypeError, ValueError):  # a version that is none
        return generate_latest, CONTENT_TYPE_PLAIN_0_0_4
