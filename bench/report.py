"""The Markdown of a run: medians over its rounds, ratios to the bare relay of the same run, goals met and missed."""

import os
import platform
import subprocess
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib.metadata import version
from statistics import median
from typing import Any

from bench.processes import ROOT

Results = list[dict[str, Any]]
PACKAGES = ("django", "channels", "daphne", "uvicorn", "uvloop", "httpx", "aiohttp", "msgspec")
TTFT_GOALS_MS = (6, 12)
P99_GOAL_MS = 100
CPU_GOAL = 2.5
STOP_GOAL_MS = 100
GOAL_CONVERSATIONS = 100


def report(results: Results, title: str) -> str:
    parts = [f"# {title}\n", machine(), *ttft_table(results), *paced_table(results), *stop_table(results)]
    return "\n".join([*parts, *goals(results), *failures(results)]) + "\n"


def machine() -> str:
    versions = ", ".join(f"{package} {version(package)}" for package in PACKAGES)
    head = ["git", "describe", "--always", "--dirty"]
    commit = subprocess.run(head, cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    return (
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, commit {commit or 'unknown'}, {os.cpu_count()} cores shared by "
        f"client, upstream and servers, load average {load:.1f}, {platform.system()} {platform.machine()}, "
        f"Python {platform.python_version()}, {versions}.\n"
    )


def of(results: Results, mode: str, name: str, conversations: int | None = None) -> Results:
    return [
        result
        for result in results
        if result["mode"] == mode
        and result["name"] == name
        and result.get("conversations") == conversations
        and "failed" not in result
    ]


def middle(results: Results, key: str) -> float:
    values = [result[key] for result in results if result[key] is not None]
    return median(values) if values else float("nan")


def names(results: Results, mode: str) -> list[str]:
    return list(dict.fromkeys(result["name"] for result in results if result["mode"] == mode))


def row(*cells: object) -> str:
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def ttft_table(results: Results) -> Iterable[str]:
    yield "## Time to first token, one answer after another\n"
    yield row("", "p50 ms", "p95 ms", "added p50", "added p95")
    yield row("---", "---:", "---:", "---:", "---:")
    for name in names(results, "ttft"):
        p50, p95 = added_ttft(results, name, over=0.0)
        over_p50, over_p95 = added_ttft(results, name)
        added = ("", "") if name == "direct" else (f"{over_p50:.1f}", f"{over_p95:.1f}")
        yield row(name, f"{p50:.2f}", f"{p95:.2f}", *added)
    yield "\nAdded: minus the p50 of the upstream asked directly, in turn with the others.\n"


def added_ttft(results: Results, name: str, over: float | None = None) -> tuple[float, float]:
    base = middle(of(results, "ttft", "direct"), "p50_ms") if over is None else over
    runs = of(results, "ttft", name)
    return middle(runs, "p50_ms") - base, middle(runs, "p95_ms") - base


def steps(results: Results) -> list[int]:
    return sorted({result["conversations"] for result in results if result["mode"] == "paced"})


def paced_table(results: Results) -> Iterable[str]:
    measured = names(results, "paced")
    relays = [name for name in measured if name.startswith("relay")]
    yield "## Conversations of 50 deltas a second\n"
    heads = [f"× {relay}" for relay in relays]
    yield row("C", "", "delivered", "p50 ms", "p99 ms", "µs CPU a delta", *heads, "server CPU %", "RSS MB")
    yield row("---:", "---", *["---:"] * (6 + len(relays)))
    for conversations in steps(results):
        for name in measured:
            runs = of(results, "paced", name, conversations)
            share = middle(runs, "delivered_per_second") / middle(runs, "offered_per_second")
            ratios = [f"{cpu_ratio(results, name, relay, conversations):.2f}" for relay in relays]
            yield row(
                conversations,
                name,
                f"{share:.1%}",
                f"{middle(runs, 'p50_ms'):.2f}",
                f"{middle(runs, 'p99_ms'):.1f}",
                f"{middle(runs, 'cpu_us_per_delta'):.0f}",
                *ratios,
                f"{middle(runs, 'server_cpu_percent'):.0f}",
                f"{middle(runs, 'rss_mb'):.0f}",
            )
    client = max((result["client_cpu_percent"] for result in paced_ok(results)), default=0.0)
    upstream = max((result["upstream_cpu_percent"] for result in paced_ok(results)), default=0.0)
    rounds = len(of(results, "paced", measured[0], steps(results)[0])) if measured else 0
    yield (
        f"\nMedians of {rounds} interleaved rounds. Latency is one-way, upstream's write to client's read. "
        f"The harness itself used at most {client:.0f} % (client) and {upstream:.0f} % (upstream) of a core.\n"
    )


def paced_ok(results: Results) -> Results:
    return [result for result in results if result["mode"] == "paced" and "failed" not in result]


def cpu_ratio(results: Results, name: str, relay: str, conversations: int) -> float:
    ours = middle(of(results, "paced", name, conversations), "cpu_us_per_delta")
    return ours / middle(of(results, "paced", relay, conversations), "cpu_us_per_delta")


def stop_table(results: Results) -> Iterable[str]:
    yield "## Stop: from the client's frame to the upstream seeing its connection closed\n"
    yield row("", "p50 ms", "p95 ms", "max ms")
    yield row("---", "---:", "---:", "---:")
    for name in names(results, "stop"):
        runs = of(results, "stop", name)
        yield row(name, *(f"{middle(runs, key):.1f}" for key in ("p50_ms", "p95_ms", "max_ms")))
    yield ""


def goals(results: Results) -> Iterable[str]:
    apps = [name for name in names(results, "ttft") if name.startswith("app")]
    if not apps:
        return
    yield "## Goals\n"
    yield row("", "goal", "measured", "")
    yield row("---", "---", "---:", "---")
    for app in apps:
        p50, p95 = added_ttft(results, app)
        yield goal(f"{app}: added time to first token, p50", TTFT_GOALS_MS[0], p50, "ms")
        yield goal(f"{app}: added time to first token, p95", TTFT_GOALS_MS[1], p95, "ms")
        if GOAL_CONVERSATIONS in steps(results):
            runs = of(results, "paced", app, GOAL_CONVERSATIONS)
            yield goal(f"{app}: p99 of a delta at C = 100", P99_GOAL_MS, middle(runs, "p99_ms"), "ms")
            for relay in (name for name in names(results, "paced") if name.startswith("relay")):
                ratio = cpu_ratio(results, app, relay, GOAL_CONVERSATIONS)
                yield goal(f"{app}: CPU a delta over the {relay}, C = 100", CPU_GOAL, ratio, "×")
        yield goal(f"{app}: stop, slowest", STOP_GOAL_MS, middle(of(results, "stop", app), "max_ms"), "ms")
    yield ""


def goal(what: str, most: float, measured: float, unit: str) -> str:
    return row(
        what, f"≤ {most} {unit}", f"{measured:.1f} {unit}", "met" if measured <= most else "**missed**"
    )


def failures(results: Results) -> Iterable[str]:
    """What makes a figure worth nothing: answers that broke, were not whole or never ended."""
    for result in results:
        where = f"{result['name']}, {result['mode']}, C = {result.get('conversations', 1)}"
        if "failed" in result:
            yield f"- **{where}: {result['failed']}**"
        elif result.get("errors") or result.get("unfinished") or result.get("not_whole"):
            yield (
                f"- **{where}: {result['errors']} errors, {result['unfinished']} unfinished, "
                f"{result['not_whole']} not whole. {result['error']}**"
            )
