"""A line that does not end: what it costs, and how soon it is over."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median
from typing import Any

import httpx

from bench.report import row
from tests.chaos.bed import ROOT
from tests.chaos.report import Section

MOST_MB = 20.0
MOST_SECONDS = 30.0
READINGS = 5
"""A buffer that grows is now and then copied by the system's allocator: one reading in twenty shows it."""
KINDS = {
    "data": "one `data:` line",
    "comment": "one comment",
    "event": "one event of many `data:` lines",
    "gzip": "one `data:` line, compressed to a thousandth",
    "json": "a JSON body that is one line",
    "error": "the body of an HTTP 500",
}
HEADS = (
    "line",
    "protocol",
    "ends in",
    "attempts",
    "seconds",
    "sent, MB",
    "memory, MB: median",
    "worst",
    "goal, MB",
)


async def measure(gigabytes: float) -> Section:
    section = Section(f"A line of {gigabytes:g} GB over HTTP", HEADS)
    with line_server(round(gigabytes * 1e9)) as base_url:
        for kind, what in KINDS.items():
            dialects = (
                ("openai_chat", "openai_responses", "anthropic_messages")
                if kind == "data"
                else ("openai_chat",)
            )
            for dialect in dialects:
                facts = await _readings(base_url, kind, dialect)
                section.add(_shown(what, dialect, facts, goal=f"≤ {MOST_MB:.0f}"), failed=not kept(facts))
        facts = await _readings(base_url, "allowed", "openai_chat")
        section.add(_shown("one event of 16 MB, as a large image has", "openai_chat", facts, goal="allowed"))
    section.note(
        f"One guarded call at the defaults, with its retries, in a process of its own, {READINGS} times; memory above "
        "what it had after small answers, judged by the worst. Lines end at 16 MB, streams at 64 MB, of an error 64 kB "
        "are read; what more was sent lay in buffers of the system."
    )
    return section


async def _readings(base_url: str, kind: str, dialect: str) -> dict[str, Any]:
    """The one that took most memory, and the median of all."""
    found = [await asyncio.to_thread(read_line, base_url, kind, dialect) for _ in range(READINGS)]
    median_mb = median(facts["grown_mb"] for facts in found)
    return {**max(found, key=lambda facts: facts["grown_mb"]), "median_mb": median_mb}


def _shown(what: str, dialect: str, facts: dict[str, Any], goal: str) -> str:
    return row(
        what,
        dialect,
        facts["code"],
        facts["attempts"],
        f"{facts['seconds']:.2f}",
        f"{facts['read_mb']:.0f}",
        f"{facts['median_mb']:.1f}",
        f"{facts['grown_mb']:.1f}",
        goal,
    )


def kept(facts: dict[str, Any], most_mb: float = MOST_MB) -> bool:
    typed = facts["code"] in ("provider_garbage", "provider_overloaded")
    return bool(typed and facts["grown_mb"] <= most_mb and facts["seconds"] < MOST_SECONDS)


def read_line(base_url: str, kind: str, dialect: str = "openai_chat") -> dict[str, Any]:
    before = _sent(base_url)
    done = subprocess.run(
        [sys.executable, "-m", "tests.chaos.line_reader", base_url, kind, dialect],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    facts: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return {**facts, "read_mb": (_sent(base_url) - before) / 1e6}


@contextmanager
def line_server(size: int) -> Iterator[str]:
    """Its address; one process, ended afterwards."""
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.chaos.line_server", str(size)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdout is not None
    try:
        yield f"http://127.0.0.1:{int(server.stdout.readline())}"
    finally:
        server.terminate()
        server.wait(10)
        server.stdout.close()


def _sent(base_url: str) -> int:
    return int(httpx.get(f"{base_url}/sent", trust_env=False).json()["sent"])
