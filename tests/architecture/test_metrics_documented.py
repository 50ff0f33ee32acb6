"""docs/operations.md lists every metric with its labels, as the page has them, and none besides."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from chat.conf import Bands
from chat.telemetry.page import Telemetry
from chat.telemetry.runs import EndedRun
from chat.telemetry.state import Process, State, Stored

ROOT = Path(__file__).parents[2]
HISTOGRAM_PARTS = ("_bucket", "_count", "_sum")


def families() -> dict[str, Any]:
    """Every family by the name that is asked for in Prometheus, each with a sample."""
    telemetry = Telemetry(Bands(), version="1")
    runs = telemetry.runs
    runs.begun(taken_over=False)
    runs.ended(
        EndedRun("failed", code="internal", first_token_seconds=1, tokens_per_second=1, stop_seconds=1)
    )
    runs.retried("fake", "internal")
    runs.called(
        "fake", "model", outcome="internal", tokens={"input": 1}, cost=1.0, currency="USD", estimated=True
    )
    runs.tool_ended("calculate", "succeeded", 0.1)
    state = State(process=Process(), stored=Stored(), queues={"tools": 0}, breakers={"fake": "closed"})
    found = {}
    for family in telemetry.families(state):
        name = f"{family.name}_total" if family.type == "counter" else family.name
        assert name not in found, f"{name} is told twice"
        found[name] = family
    return found


def ours() -> dict[str, Any]:
    return {name: family for name, family in families().items() if name.startswith("lectern_")}


def documented() -> dict[str, list[str]]:
    table = {}
    for line in (ROOT / "docs" / "operations.md").read_text(encoding="utf-8").splitlines():
        if found := re.fullmatch(r"\| `(lectern_\w+)` \| (.*?) ?\| (.+) \|", line):
            assert found[1] not in table, f"{found[1]} stands twice"
            table[found[1]] = sorted(label for label in found[2].split(", ") if label)
    return table


def test_every_metric_is_listed_and_no_other():
    assert set(documented()) == set(ours())


def test_no_page_speaks_of_another():
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    named = {name for page in pages for name in re.findall(r"lectern_\w+", page.read_text(encoding="utf-8"))}
    assert named <= set(ours())


@pytest.mark.parametrize("name", sorted(ours()))
def test_a_metric_is_listed_with_its_labels(name: str):
    labels = {label for sample in ours()[name].samples for label in sample.labels} - {"le"}
    assert documented()[name] == sorted(labels)


@pytest.mark.parametrize("name", sorted(families()))
def test_a_metric_has_a_type_and_says_what_it_is(name: str):
    family = families()[name]
    assert family.type in ("counter", "gauge", "histogram")
    assert len(family.documentation) > 10
    assert family.samples, "a metric that nobody has seen cannot be checked"


@pytest.mark.parametrize("name", sorted(ours()))
def test_a_metric_is_named_as_prometheus_does(name: str):
    """https://prometheus.io/docs/practices/naming/"""
    assert re.fullmatch(r"lectern(_[a-z]+)+", name)
    assert not name.endswith(("_ms", "_milliseconds", "_count", "_sum", "_bucket"))


def test_alerts_ask_for_metrics_that_are_there():
    rules = (ROOT / "deploy" / "prometheus" / "lectern.rules.yml").read_text(encoding="utf-8")
    asked = {
        re.sub(rf"({'|'.join(HISTOGRAM_PARTS)})$", "", name) for name in re.findall(r"lectern_\w+", rules)
    }
    assert asked
    assert asked <= set(ours())


def test_the_version_is_the_same_everywhere():
    assert f'version = "{settings.VERSION}"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert json.loads((ROOT / "package.json").read_text(encoding="utf-8"))["version"] == settings.VERSION
