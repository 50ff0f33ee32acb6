"""python -m tests.chaos.faults: thirty faults a hundred times each, then a thousand runs at total failure.

Prints a Markdown table. `--runs N` and `--failures N` for fewer; `--only NAME …` for some of the faults.
"""

import argparse
import asyncio
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.chaos.runs import Ended, FaultyProviders

AT_ONCE = 20
MOST_AMPLIFICATION = 1.1
EXERCISED = {"breaker_failures": 32_000}
"""An open breaker would spare most runs the fault."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.faults")
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--failures", type=int, default=1000)
    parser.add_argument("--only", nargs="*", default=[])
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "data").mkdir()
        os.environ["DATA_DIR"] = str(Path(folder) / "data")
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
        os.environ.setdefault("LOG_LEVEL", "ERROR")
        import django
        from django.core.management import call_command

        django.setup()
        call_command("migrate", verbosity=0)
        return asyncio.run(_measure(asked.runs, asked.failures, asked.only))


async def _measure(runs: int, failures: int, only: Sequence[str]) -> int:
    from chat import wiring
    from chat.demo.faults import FAULTS
    from chat.models import User
    from tests.chaos.runs import FaultyProviders

    runtime = await wiring.startup()
    try:
        user = await runtime.database(User.objects.create, username="chaos")
        providers = FaultyProviders(runtime, user)
        say(
            "| fault | runs | calls | answered | typed error | slowest | wrong |\n|---|---|---|---|---|---|---|"
        )
        wrong = 0
        for name in only or FAULTS:
            wrong += await _one_fault(providers, name, runs)
        if failures:
            wrong += await _total_failure(providers, failures)
    finally:
        await wiring.shutdown(grace_seconds=0)
    return 1 if wrong else 0


async def _one_fault(providers: "FaultyProviders", name: str, runs: int) -> int:
    from chat.demo.faults import FAULTS

    model = await providers.model_of(**EXERCISED)
    before = providers.calls_made
    ended = await _many(providers, model, name, runs)
    wrong = Counter(said for one in ended if (said := one.wrong(FAULTS[name])))
    errors = Counter(one.code for one in ended if one.status == "failed")
    said = ", ".join(f"{code} {times}" for code, times in errors.most_common())
    answered = sum(one.status == "completed" for one in ended)
    calls, slowest = providers.calls_made - before, max(one.seconds for one in ended)
    bad = "; ".join(f"{what} ({times})" for what, times in wrong.items())
    say(f"| {name} | {runs} | {calls} | {answered} | {said} | {slowest:.2f} s | {bad or 0} |")
    return wrong.total()


async def _total_failure(providers: "FaultyProviders", runs: int) -> int:
    """A provider that refuses everything, without and with the breaker."""
    wrong = 0
    say("\n| total failure | runs | calls | calls a run |\n|---|---|---|---|")
    for label, columns in (("retry budget alone", EXERCISED), ("with the breaker", {})):
        model = await providers.model_of(**columns)
        before = providers.calls_made
        await _many(providers, model, "500", runs)
        calls = providers.calls_made - before
        say(f"| {label} | {runs} | {calls} | {calls / runs:.3f} |")
        wrong += calls / runs > MOST_AMPLIFICATION and runs >= 100
    return wrong


async def _many(providers: "FaultyProviders", model: object, name: str, runs: int) -> "list[Ended]":
    places = asyncio.Semaphore(AT_ONCE)

    async def one() -> "Ended":
        async with places:
            return await providers.run(model, name)  # type: ignore[arg-type]

    return list(await asyncio.gather(*(one() for _ in range(runs))))


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main())
