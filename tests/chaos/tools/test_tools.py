"""What tools survive in real worker processes, in short. The long version, with its figures: make chaos"""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.tools.bed import Tooled, ask, tooled, until
from tests.project.workers import running
from tests.services import MISSING, redis_binary

pytestmark = [pytest.mark.server, pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
def bed(prepared_folder: Path) -> Iterator[Tooled]:
    if redis_binary() is None:
        pytest.skip(MISSING)
    with tooled(prepared_folder) as found:
        yield found


async def finished(tab, run) -> list[dict]:
    return [f["event"] for f in await tab.events(run) if f["event"]["type"] == "tool.finished"]


def began(bed: Tooled, name: str) -> list[dict]:
    return [line for line in bed.lines() if line["name"] == name]


@pytest.mark.both_columns
async def test_a_killed_child_costs_one_attempt(bed: Tooled):
    with running(bed.worker("prefork", stay=2.0, concurrency=2)):
        async with bed.tab() as tab:
            run = await ask(tab, ("stay_again", {"name": "a"}), ("stay_once", {"name": "b"}))
            until(lambda: began(bed, "a") and began(bed, "b"))
            for name in "ab":
                os.kill(began(bed, name)[0]["pid"], signal.SIGKILL)
            ends = await finished(tab, run)
    assert sorted(end["status"] for end in ends) == ["succeeded", "unknown"]
    assert (len(began(bed, "a")), len(began(bed, "b"))) == (2, 1)


async def test_stop_ends_a_tool_that_hears_of_nothing_where_it_has_a_process(bed: Tooled):
    worker = bed.worker("prefork", concurrency=1)
    with running(worker):
        async with bed.tab() as tab:
            run = await ask(tab, ("never_look_up", {"name": "deaf", "seconds": 60}))
            until(lambda: began(bed, "deaf"))
            await tab.ask("run.stop", run=run)
            assert [end["status"] for end in await finished(tab, run)] == ["cancelled"]
            child = began(bed, "deaf")[0]["pid"]
            until(lambda: not Path(f"/proc/{child}").exists())
            # Its place is free again, and what was stopped does not come back.
            run = await ask(tab, ("stay_once", {"name": "next"}))
            assert [end["status"] for end in await finished(tab, run)] == ["succeeded"]
    assert len(began(bed, "deaf")) == 1


@pytest.mark.parametrize("pool", ["prefork", "threads"])
async def test_a_tool_that_hangs_is_left_behind_on_both_pools(bed: Tooled, pool: str):
    name = f"hung {pool}"
    with running(bed.worker(pool, concurrency=1)):
        async with bed.tab() as tab:
            run = await ask(tab, ("hang_in_c", {"name": name}))
            assert [end["status"] for end in await finished(tab, run)] == ["timed_out"]
            child = began(bed, name)[0]["pid"]
            if pool == "prefork":
                until(lambda: not Path(f"/proc/{child}").exists())


async def test_the_soft_limit_interrupts_a_tool_and_leaves_its_process_to_the_next_one(bed: Tooled):
    with running(bed.worker("prefork", concurrency=1)):
        async with bed.tab() as tab:
            run = await ask(tab, ("sleep_on", {"name": "sleeper"}))
            ends = await finished(tab, run)
            run = await ask(tab, ("stay_once", {"name": "after it"}))
            assert [end["status"] for end in await finished(tab, run)] == ["succeeded"]
    assert [end["status"] for end in ends] == ["timed_out"]
    assert "left behind" not in ends[0]["result"]
    assert began(bed, "sleeper")[0]["pid"] == began(bed, "after it")[0]["pid"]


async def test_stop_reaches_a_tool_of_a_worker_that_has_threads_alone(bed: Tooled):
    """One that looks up hears of it and ends; one that does not goes on in vain, and its result is not applied."""
    with running(bed.worker("threads", concurrency=2)):
        async with bed.tab() as tab:
            calls = (
                ("stay_once", {"name": "listens", "seconds": 30}),
                ("never_look_up", {"name": "heedless", "seconds": 5}),
            )
            run = await ask(tab, *calls)
            until(lambda: began(bed, "listens") and began(bed, "heedless"))
            await tab.ask("run.stop", run=run)
            assert [end["status"] for end in await finished(tab, run)] == ["cancelled", "cancelled"]
            until(lambda: [line for line in bed.lines("ended") if line["name"] == "heedless"])
            # The place of the one that listened is free long before it would have been done.
            run = await ask(tab, ("stay_once", {"name": "next one"}))
            assert [end["status"] for end in await finished(tab, run)] == ["succeeded"]
    assert not [line for line in bed.lines("ended") if line["name"] == "listens"]
    until(lambda: bed.sql("SELECT result FROM chat_lateresult") == [("heedless",)])
    heedless = bed.rows()[began(bed, "heedless")[0]["invocation"]]
    assert (heedless.status, heedless.result) == ("cancelled", "")


@pytest.mark.parametrize("pool", ["prefork", "threads"])
async def test_progress_of_a_tool_in_another_process_is_told(bed: Tooled, pool: str):
    with running(bed.worker(pool, concurrency=1)):
        async with bed.tab() as tab:
            run = await ask(tab, ("report", {"name": pool, "seconds": 1.5}))
            frames = [frame["event"] for frame in await tab.events(run)]
    told = [event["fraction"] for event in frames if event["type"] == "tool.progress"]
    assert len(told) > 3
    assert told == sorted(told)
