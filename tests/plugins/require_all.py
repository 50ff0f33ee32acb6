"""Says loudly what was skipped; with REQUIRE_ALL=1 a skip is a failure, so that CI cannot pass by leaving out."""

import os
from collections.abc import Generator
from typing import Any

import pytest

WANTED = os.environ.get("REQUIRE_ALL", "") not in {"", "0"}


def reason(report: Any) -> str:
    """Why a test was skipped, without the place."""
    text = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return text.removeprefix("Skipped: ")


def fail_if_skipped(report: Any) -> None:
    # An expected failure is reported as skipped too; it ran.
    if WANTED and report.skipped and not hasattr(report, "wasxfail"):
        why = reason(report)
        report.outcome = "failed"
        report.longrepr = f"REQUIRE_ALL: skipped because {why}"


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport() -> Generator[None, Any, Any]:
    report: Any = yield
    fail_if_skipped(report)
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_make_collect_report() -> Generator[None, Any, Any]:
    report: Any = yield
    fail_if_skipped(report)
    return report


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: Any) -> None:
    skipped = terminalreporter.stats.get("skipped", [])
    if not skipped:
        return
    counts: dict[str, int] = {}
    for report in skipped:
        counts[reason(report)] = counts.get(reason(report), 0) + 1
    terminalreporter.section(f"NOT RUN: {len(skipped)} tests were skipped", sep="!", red=True, bold=True)
    for why, count in sorted(counts.items()):
        terminalreporter.write_line(f"{count} × {why}", red=True)
