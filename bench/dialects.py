"""What decoding costs: microseconds of CPU for each delta, one event a chunk.

    python bench/dialects.py [--dialect openai_chat] [--megabytes 10] [--rounds 5] [--out FILE] [FILE]

With STREAM_CORPUS_DIR: all recorded streams of a dialect in turn until that many megabytes, and the longest of them
grown to that size. Always: a made-up stream of the usual shape. FILE is one recorded stream, taken alone. Stands
alone: no server, no settings.
"""

import argparse
import json
import sys
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parent.parent
sys.path[0] = str(ROOT)  # this folder's own names must not shadow libraries

from bench.dialect_streams import (  # noqa: E402
    Stream,
    bytes_in,
    cut_at_events,
    grown,
    in_packets,
    in_turn,
    made_up,
    recorded,
    repeated,
)
from bench.report import machine, row  # noqa: E402
from chat.llm.dialects.registry import DIALECTS  # noqa: E402

GOALS_US = {"openai_chat": 5.0}
OTHER_GOAL_US = 8.0


@dataclass
class Case:
    """Answers of one dialect. `seconds` has the CPU time of each round."""

    dialect: str
    what: str
    streams: list[Stream]
    deltas: int = 0
    seconds: list[float] = field(default_factory=list)

    def measure(self) -> None:
        began = time.process_time()
        self.deltas = sum(decode(self.dialect, stream) for stream in self.streams)
        self.seconds.append(time.process_time() - began)

    @property
    def us_a_delta(self) -> float:
        return median(self.seconds) / self.deltas * 1e6

    @property
    def goal_us(self) -> float:
        return GOALS_US.get(self.dialect, OTHER_GOAL_US)

    @property
    def met(self) -> bool:
        return self.us_a_delta <= self.goal_us

    def as_row(self) -> str:
        megabytes = bytes_in(self.streams) / 1e6
        chunks = sum(map(len, self.streams))
        return row(
            self.dialect,
            self.what,
            f"{megabytes:.1f}",
            len(self.streams),
            self.deltas,
            f"{self.us_a_delta:.2f}",
            f"{min(self.seconds) / self.deltas * 1e6:.2f}",
            f"≤ {self.goal_us:.0f}" + ("" if self.met else " **missed**"),
            f"{median(self.seconds) / chunks * 1e6:.2f}",
            f"{megabytes / median(self.seconds):.0f}",
        )


def decode(dialect: str, stream: Stream) -> int:
    """How many deltas it gives."""
    decoder = DIALECTS[dialect].decoder()
    return sum(len(decoder.feed(chunk)) for chunk in stream) + len(decoder.close())


def cases(dialect: str, size_bytes: int, file: Path | None) -> list[Case]:
    if file is not None:
        alone = cut_at_events(file.read_bytes())
        return [Case(dialect, file.name, [grown(alone, size_bytes)])]
    found = [Case(dialect, "made up, one answer", [repeated(made_up(dialect), size_bytes)])]
    if streams := recorded(dialect):
        all_of_them = in_turn(streams, size_bytes)
        found = [
            Case(dialect, f"{len(streams)} recorded, in turn", all_of_them),
            Case(
                dialect, "the same in packets of 1,400 bytes", [in_packets(stream) for stream in all_of_them]
            ),
            Case(dialect, "the longest recorded, grown", [grown(max(streams, key=len), size_bytes)]),
            *found,
        ]
    return found


class JsonAlone:
    """The same machine at the same time, with `json.loads` of each event and nothing else: what it is worth today."""

    def __init__(self) -> None:
        _, middle, _ = made_up("openai_chat")
        self._texts = [event.partition(b"data: ")[2] for event in middle] * 200
        self.us: list[float] = []

    def measure(self) -> None:
        began = time.process_time()
        for text in self._texts:
            json.loads(text)
        self.us.append((time.process_time() - began) / len(self._texts) * 1e6)


def page(measured: list[Case], rounds: int, alone: JsonAlone) -> str:
    heads = (
        "dialect",
        "streams",
        "MB",
        "answers",
        "deltas",
        "µs a delta",
        "fastest",
        "goal",
        "µs a chunk",
        "MB/s",
    )
    lines = [
        "# What decoding costs\n",
        machine(),
        row(*heads),
        row("---", "---", *["---:"] * (len(heads) - 2)),
        *(case.as_row() for case in measured),
        f"\nCPU time, medians of {rounds} interleaved rounds; a chunk is an event where not said otherwise. "
        "Events that show nothing (keep-alives, a tool that the provider runs itself) make no delta, but cost. "
        f"`json.loads` alone of a made-up chat event, same rounds: {min(alone.us):.2f} to {max(alone.us):.2f} µs.",
    ]
    return "\n".join(lines) + "\n"


def main() -> int:
    options = read_options()
    wanted = [options.dialect] if options.dialect else sorted(DIALECTS)
    size_bytes = int(options.megabytes * 1e6)
    measured = [case for dialect in wanted for case in cases(dialect, size_bytes, options.file)]
    alone = JsonAlone()
    for _ in range(options.rounds):
        alone.measure()
        for case in measured:
            case.measure()
    text = page(measured, options.rounds, alone)
    print(text)
    if options.out:
        options.out.write_text(text)
    return 0 if all(case.met for case in measured) else 1


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", nargs="?", type=Path, help="a recorded stream; name its --dialect")
    parser.add_argument("--dialect", choices=sorted(DIALECTS))
    parser.add_argument("--megabytes", type=float, default=10)
    parser.add_argument("--rounds", type=int, default=5)
    results = ROOT / "bench" / "results" / f"{datetime.now(UTC):%Y-%m-%d}-dialects.md"
    parser.add_argument(
        "--out", type=Path, nargs="?", const=results, help=f"also to a file (default: {results})"
    )
    options = parser.parse_args()
    if options.file and not options.dialect:
        parser.error("name the --dialect of that file")
    return options


if __name__ == "__main__":
    raise SystemExit(main())
