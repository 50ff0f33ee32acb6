"""Three hundred streams started at once: for how long the server's event loop is not free.

    python bench/lag.py [--streams 300] [--rates 10,50] [--rounds 3] [--out FILE]

The real server under daphne, the demo upstream in a process of its own, 300 conversations on 300 sockets. On a machine
whose cores are shared a gap may be somebody else's: next to each stands how much of it was work of the loop's own
thread, and what a bystander saw, a process that does nothing but tick.
"""

import argparse
import asyncio
import json
import os
import signal
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[0] = str(ROOT)  # this folder's own names must not shadow libraries

from bench.drivers import AnswerFailed, AppLine  # noqa: E402
from bench.processes import Processes, ProcessFailed, free_port, run_once  # noqa: E402
from bench.report import machine, row  # noqa: E402
from bench.servers import MAKE_USERS, PASSWORD, app_environment, sign_in  # noqa: E402

GOAL_SECONDS = 0.02
SOCKETS_PER_USER = 10
SECONDS = 4
FIRST_MS = 200
REST_SECONDS = 2.0
WRITE_SECONDS = 20
HEADS = (
    *(
        "deltas a second",
        "round",
        "longest gap, ms",
        "of it own work",
        "gaps over 20 ms",
        "most own work, ms",
    ),
    *(
        "own work over 20 ms",
        "longest collection",
        "bystander's longest",
        "first delta, p50 / max ms",
        "whole",
    ),
)


class Server:
    def __init__(self, processes: Processes, streams: int, rates: list[int]) -> None:
        self._folder = processes.folder
        upstream, port = free_port(), free_port()
        processes.start("upstream", "manage.py", "demo_upstream", "--port", str(upstream))
        processes.wait_for("upstream", upstream)
        env = app_environment(self._folder / "data")
        run_once("manage.py", "migrate", "--no-input", "-v", "0", env=env)
        users = -(-streams // SOCKETS_PER_USER)
        run_once("manage.py", "shell", "-c", MAKE_USERS.format(count=users, password=PASSWORD), env=env)
        named = [word for rate in rates for word in ("--model", model(rate))]
        base_url = f"http://127.0.0.1:{upstream}/v1"
        run_once(
            "manage.py",
            "add_provider",
            "lag",
            "--dialect",
            "openai_chat",
            "--base-url",
            base_url,
            *named,
            env=env,
        )
        serve = ["serve", "--host", "127.0.0.1", "--port", str(port)]
        self.pid = processes.start("app", "-m", "bench.lag_probe", str(self._out("app")), *serve, env=env)
        processes.wait_for("app", port, "/accounts/login/")
        self.bystander = processes.start("bystander", "-m", "bench.lag_probe", str(self._out("bystander")))
        self.port = port
        self.cookies = [sign_in(port, f"bench{number}") for number in range(users)]

    def seen(self, name: str, pid: int) -> dict[str, Any]:
        out = self._out(name)
        out.unlink(missing_ok=True)
        os.kill(pid, signal.SIGUSR1)
        until = time.monotonic() + WRITE_SECONDS
        while not out.exists():
            if time.monotonic() > until:
                raise ProcessFailed(f"{name} has written nothing")
            time.sleep(0.05)
        return dict(json.loads(out.read_text()))

    def _out(self, name: str) -> Path:
        return self._folder / f"{name}.json"


def model(rate: int) -> str:
    return f"demo-n{rate * SECONDS}-r{rate}-d{FIRST_MS}"


async def one_round(server: Server, streams: int, rate: int) -> dict[str, Any]:
    lines = [
        AppLine(server.port, [], {"Cookie": server.cookies[number // SOCKETS_PER_USER]})
        for number in range(streams)
    ]
    for line in lines:
        await line.open()
    await asyncio.sleep(REST_SECONDS)
    began, began_us = time.monotonic(), time.monotonic_ns() // 1000
    ends = await asyncio.gather(*(line.start(model(rate)) for line in lines), return_exceptions=True)
    over = time.monotonic()
    for line in lines:
        line.close()
    firsts = sorted((line.reader.first_at_us - began_us) / 1000 for line in lines if line.reader.first_at_us)
    whole = sum(
        end == "completed" and line.reader.received == rate * SECONDS
        for line, end in zip(lines, ends, strict=True)
    )
    failed = [str(end) for end in ends if isinstance(end, AnswerFailed)]
    await asyncio.sleep(REST_SECONDS)
    return {"rate": rate, "window": (began, over), "firsts": firsts, "whole": whole, "failed": failed[:3]}


def as_row(
    found: dict[str, Any], number: int, app: dict[str, Any], bystander: dict[str, Any], streams: int
) -> str:
    gaps, others = within(app["gaps"], found), within(bystander["gaps"], found)
    longest = max(gaps, key=lambda gap: gap[1], default=(0, 0, 0))
    collections = within(app["collections"], found)
    firsts = found["firsts"] or [0.0]
    return row(
        found["rate"],
        number,
        f"{longest[1] * 1000:.0f}",
        f"{longest[2] * 1000:.0f}",
        sum(gap[1] > GOAL_SECONDS for gap in gaps),
        f"{max((gap[2] for gap in gaps), default=0) * 1000:.0f}",
        sum(gap[2] > GOAL_SECONDS for gap in gaps),
        f"{max((one[1] for one in collections), default=0) * 1000:.0f}",
        f"{max((gap[1] for gap in others), default=0) * 1000:.0f}",
        f"{firsts[len(firsts) // 2]:.0f} / {firsts[-1]:.0f}",
        f"{found['whole']} of {streams}" + (f" ({found['failed'][0]})" if found["failed"] else ""),
    )


def within(events: list[list[float]], found: dict[str, Any]) -> list[list[float]]:
    began, over = found["window"]
    return [event for event in events if began <= event[0] <= over]


async def measure(server: Server, options: argparse.Namespace) -> list[dict[str, Any]]:
    return [
        await one_round(server, options.streams, rate)
        for rate in options.rates
        for _ in range(options.rounds)
    ]


def main() -> int:
    options = read_options()
    with tempfile.TemporaryDirectory(prefix="lag-") as folder, Processes(Path(folder)) as processes:
        server = Server(processes, options.streams, options.rates)
        rounds = asyncio.run(measure(server, options))
        app, bystander = server.seen("app", server.pid), server.seen("bystander", server.bystander)
    lines = [
        f"# {options.streams} streams started at once\n",
        machine(),
        row(*HEADS),
        row("---:", *["---:"] * (len(HEADS) - 1)),
    ]
    lines += [
        as_row(one, index % options.rounds + 1, app, bystander, options.streams)
        for index, one in enumerate(rounds)
    ]
    lines += [
        f"\nFrom the first start to the last end of answers of {SECONDS} s. A gap is time in which a timer that asks "
        "for each millisecond was not called; own work is the CPU time of the loop's thread in it, the rest went to "
        "other threads and processes. Goal: no gap over 20 ms."
    ]
    page = "\n".join(lines) + "\n"
    print(page)
    if options.out:
        options.out.write_text(page)
    return 0


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--streams", type=int, default=300)
    parser.add_argument(
        "--rates", type=lambda text: [int(word) for word in text.split(",")], default=[10, 50]
    )
    parser.add_argument("--rounds", type=int, default=3)
    results = ROOT / "bench" / "results" / f"{datetime.now(UTC):%Y-%m-%d}-lag.md"
    parser.add_argument("--out", type=Path, nargs="?", const=results, help=f"also to a file ({results.name})")
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
