"""`make bench`: upstream, bare relays and our server on this machine, measured in turn; a table and a file of it.

python bench/run.py [--quick] [--conversations 50,100,200] [--rounds 3] [--seconds 5]
                    [--app daphne,uvicorn] [--relays uvicorn,daphne] [--out FILE]
"""

import argparse
import json
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[0] = str(ROOT)  # this folder's own names must not shadow libraries

from bench.load import STOP_MODEL, TTFT_MODEL, paced_model  # noqa: E402
from bench.processes import Processes, ProcessFailed, run_once  # noqa: E402
from bench.report import report  # noqa: E402
from bench.servers import Running, start_app, start_relay, start_upstream  # noqa: E402

RATE = 50
STARTS_A_SECOND = 40
SOCKETS_PER_USER = 10


class Bench:
    def __init__(self, options: argparse.Namespace, upstream: Running, servers: list[Running]) -> None:
        self.options, self.upstream, self.servers = options, upstream, servers
        self.results: list[dict[str, Any]] = []

    def run(self) -> list[dict[str, Any]]:
        for number in range(self.options.rounds):
            print(f"round {number + 1} of {self.options.rounds}", file=sys.stderr, flush=True)
            self.first_tokens()
            for conversations in self.options.conversations:
                for server in self.servers:
                    self.paced(server, conversations)
            for server in self.servers:
                self.one("stop", server, runs=self.options.stops)
        return self.results

    def first_tokens(self) -> None:
        targets = [self.upstream, *self.servers]
        figures = self.load("ttft", targets, runs=self.options.runs)
        for target in targets:
            found = {"failed": figures["failed"]} if "failed" in figures else figures[target.name]
            self.keep("ttft", target, found)

    def paced(self, server: Running, conversations: int) -> None:
        seconds = self.options.seconds
        figures = {"conversations": conversations, "rate": RATE, "seconds": seconds}
        self.one("paced", server, starts_a_second=STARTS_A_SECOND, **figures)

    def one(self, mode: str, server: Running, **plan: Any) -> None:
        found = self.load(mode, [server], **plan)
        self.keep(
            mode, server, {**found, **({"conversations": plan["conversations"]} if mode == "paced" else {})}
        )

    def load(self, mode: str, targets: list[Running], **plan: Any) -> dict[str, Any]:
        upstream = {"port": self.upstream.port, "pid": self.upstream.pid}
        whole = {
            "mode": mode,
            "targets": [target.as_plan() for target in targets],
            "upstream": upstream,
            **plan,
        }
        try:
            return dict(json.loads(run_once("-m", "bench.load", text=json.dumps(whole))))
        except ProcessFailed as error:
            return {"failed": str(error).strip().splitlines()[-1]}

    def keep(self, mode: str, target: Running, found: dict[str, Any]) -> None:
        result = {"mode": mode, "name": target.name, **found}
        self.results.append(result)
        print(json.dumps(result), file=sys.stderr, flush=True)


def main() -> int:
    options = read_options()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, Processes(Path(folder)) as processes:
        try:
            upstream = start_upstream(processes)
            servers = [start_relay(processes, server, upstream) for server in options.relays]
            users = -(-max(options.conversations) // SOCKETS_PER_USER)
            servers += [
                start_app(processes, server, upstream, models(options), users) for server in options.app
            ]
        except ProcessFailed as error:
            print(error, file=sys.stderr)
            return 1
        results = Bench(options, upstream, servers).run()
    page = report(results, "Bench, quick" if options.quick else "Bench")
    print(page)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(page)
    print(f"written to {options.out}", file=sys.stderr)
    return 0


def models(options: argparse.Namespace) -> list[str]:
    paces = [paced_model(count, RATE, options.seconds, STARTS_A_SECOND) for count in options.conversations]
    return [TTFT_MODEL, STOP_MODEL, *paces]


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="one round, 50 and 100 conversations, 3 s each")
    parser.add_argument("--conversations", type=numbers, help="default: 50,100,200")
    parser.add_argument("--rounds", type=int, help="default: 3")
    parser.add_argument("--seconds", type=float, help="length of each window, default: 5")
    parser.add_argument("--app", type=words, default=["daphne"], help="servers ours runs under; empty: none")
    parser.add_argument("--relays", type=words, default=["uvicorn", "daphne"])
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    quick = options.quick
    options.conversations = options.conversations or ([50, 100] if quick else [50, 100, 200])
    options.rounds = options.rounds or (1 if quick else 3)
    options.seconds = options.seconds or (3.0 if quick else 5.0)
    options.runs, options.stops = (20, 10) if quick else (50, 20)
    name = f"{datetime.now(UTC):%Y-%m-%d}{'-quick' if quick else ''}.md"
    options.out = options.out or ROOT / "bench" / "results" / name
    return options


def words(text: str) -> list[str]:
    return [word for word in text.split(",") if word]


def numbers(text: str) -> list[int]:
    return [int(word) for word in words(text)]


if __name__ == "__main__":
    raise SystemExit(main())
