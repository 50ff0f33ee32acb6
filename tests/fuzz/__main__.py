"""`make fuzz`: each target under atheris for its share of the time; a table, and a fixture of what broke one.

python -m tests.fuzz [--seconds 600] [--only NAME …] [--out FILE]

STREAM_CORPUS_DIR adds recorded streams to what it begins with.
"""

import argparse
import hashlib
import os
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bench.report import machine, row
from tests.fuzz.installation import CannotInstall, atheris_folder
from tests.fuzz.seeds import FOUND, seeds_of, words_of
from tests.fuzz.shrinking import shrunk
from tests.fuzz.targets import TARGETS

ROOT = Path(__file__).resolve().parent.parent.parent
SHARES = dict.fromkeys(TARGETS, 1.0) | {
    "openai_chat": 2.0,
    "openai_responses": 2.0,
    "anthropic_messages": 2.0,
}
MOST_INPUT_BYTES = 4096
MOST_RSS_MB = 512
SLOWEST_SECONDS = 10
HEADS = (
    "target",
    "seconds",
    "inputs",
    "a second",
    "seeds",
    "new inputs",
    "branches",
    "slowest",
    "peak RSS MB",
    "broken",
)


@dataclass
class Fuzzed:
    """What libFuzzer has printed of one target; `broken` names the fixture of the input that broke it."""

    target: str
    seeds: int
    seconds: float
    log: str
    broken: str

    def stat(self, name: str) -> int:
        found = re.search(rf"stat::{name}:\s+(\d+)", self.log)
        return int(found[1]) if found else 0

    @property
    def branches(self) -> str:
        found = re.findall(r"\bcov: (\d+)", self.log)
        return f"{found[0]} → {found[-1]}" if found else ""

    def as_row(self) -> str:
        return row(
            self.target,
            f"{self.seconds:.0f}",
            self.stat("number_of_executed_units"),
            self.stat("average_exec_per_sec"),
            self.seeds,
            self.stat("new_units_added"),
            self.branches,
            f"{self.stat('slowest_unit_time_sec')} s",
            self.stat("peak_rss_mb"),
            self.broken or 0,
        )


def main() -> int:
    options = read_options()
    try:
        python_path = os.pathsep.join([str(atheris_folder()), str(ROOT)])
    except CannotInstall as error:
        sys.stderr.write(f"cannot install: {error}\n")
        return 1
    names = options.only or list(TARGETS)
    whole = sum(SHARES[name] for name in names)
    recorded = "with recorded streams" if os.environ.get("STREAM_CORPUS_DIR") else "without recorded streams"
    head = f"# Fuzzing, {options.seconds} s\n\n{machine()}\n{row(*HEADS)}\n{row('---', *['---:'] * (len(HEADS) - 1))}\n"
    say(head)
    done = []
    for name in names:
        done.append(fuzz(name, max(1, round(options.seconds * SHARES[name] / whole)), python_path))
        say(done[-1].as_row() + "\n")
    foot = (
        f"\natheris (libFuzzer), {recorded}. Every input is read whole, cut at random, often byte by byte, and broken "
        "off. Branches: those the seeds reach, and those reached at the end. Broken: an exception, two ends or none, "
        "another answer when cut otherwise, text that cannot be stored, much text out of little, over "
        f"{MOST_RSS_MB} MB, over {SLOWEST_SECONDS} s.\n"
    )
    say(foot)
    if options.out:
        options.out.write_text(head + "".join(one.as_row() + "\n" for one in done) + foot)
    for one in done:
        if one.broken:
            sys.stderr.write(f"\n{one.target}: {one.broken}\n{one.log[-3000:]}\n")
    return 1 if any(one.broken for one in done) else 0


def fuzz(target: str, seconds: int, python_path: str) -> Fuzzed:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        corpus, found, words = folder / "corpus", folder / "found", folder / "words"
        corpus.mkdir()
        found.mkdir()
        seeds = set(seeds_of(target))
        for seed in seeds:
            (corpus / named(seed)).write_bytes(seed)
        words.write_text("".join(f'"{word}"\n' for word in sorted(words_of(target))) or '"data: "\n')
        limits = [
            f"-max_len={MOST_INPUT_BYTES}",
            f"-rss_limit_mb={MOST_RSS_MB}",
            f"-timeout={SLOWEST_SECONDS}",
        ]
        command = [sys.executable, "-m", "tests.fuzz.harness", target, str(corpus), f"-dict={words}", *limits]
        command += [f"-max_total_time={seconds}", "-print_final_stats=1", f"-artifact_prefix={found}/"]
        began = time.monotonic()
        done = subprocess.run(
            command,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": python_path},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
            timeout=seconds + 120,
        )
        kept = [keep(target, path) for path in found.iterdir() if not path.name.startswith("slow-unit")]
        broken = ", ".join(kept) or ("" if done.returncode == 0 else f"ended with {done.returncode}")
        return Fuzzed(target, len(seeds), time.monotonic() - began, done.stdout, broken)


def keep(target: str, found: Path) -> str:
    """Made small and put beside the tests, where it is tried again from now on."""
    body = found.read_bytes()
    fault = fault_of(target, body)
    if fault is not None:
        body = shrunk(body, lambda candidate: fault_of(target, candidate) == fault)
    place = FOUND / target / named(body)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(body)
    return str(place.relative_to(ROOT))


def fault_of(target: str, body: bytes) -> tuple[str, int] | None:
    """What breaks and in which line; None: nothing does, in this process."""
    try:
        TARGETS[target](body)
    except Exception as error:  # noqa: BLE001  (any is one too many)
        trace = error.__traceback__
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        return type(error).__name__, trace.tb_lineno if trace is not None else 0
    return None


def named(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()[:12]


def say(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("--seconds", type=int, default=600, help="in all (default: %(default)s)")
    parser.add_argument("--only", nargs="*", choices=list(TARGETS))
    results = ROOT / "bench" / "results" / f"{datetime.now(UTC):%Y-%m-%d}-fuzz.md"
    parser.add_argument("--out", type=Path, nargs="?", const=results, help=f"also to a file ({results.name})")
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
