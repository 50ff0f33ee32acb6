"""What a page of metrics says, as Prometheus would understand it."""

from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics_families
from prometheus_client.parser import text_string_to_metric_families

Figures = dict[str, float]


def figures(page: str | bytes, *, openmetrics: bool = False) -> Figures:
    """Value by `name{label="value",…}`, labels by name."""
    text = page.decode() if isinstance(page, bytes) else page
    parse = openmetrics_families if openmetrics else text_string_to_metric_families
    found = {}
    for family in parse(text):
        for sample in family.samples:
            labels = ",".join(f'{name}="{value}"' for name, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found
