"""What keeps the parts of a stack alive, over toy processes."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from project.stack.identity import birth_of
from project.stack.supervisor import PartFailed, Supervisor
from tests.stack.toys import STUBBORN, WITH_CHILD, lines, pid_of, supervised, toy, until


async def test_the_parts_of_a_stage_begin_when_those_before_answer(tmp_path: Path):
    seen: list[list[str]] = []

    async def database_answers() -> bool:
        seen.append(lines(tmp_path / "begun"))
        return len(seen) > 3

    database = toy("database", tmp_path, answers=database_answers)
    async with supervised(tmp_path, toy("web", tmp_path, begins=1), database):
        await until(lambda: lines(tmp_path / "begun") == ["database", "web"])

    assert len(seen) == 4
    assert "web" not in seen[-1]


async def test_the_pid_file_names_the_process_itself(tmp_path: Path):
    async with supervised(tmp_path, toy("web-1", tmp_path)) as (supervisor, _):
        await until(lambda: lines(tmp_path / "begun"))
        assert pid_of("web-1", tmp_path) == supervisor.pid_of("web-1")
        os.kill(pid_of("web-1", tmp_path), 0)
    assert not (tmp_path / "web-1.pid").exists()


async def test_what_is_killed_is_started_again_under_a_new_pid(tmp_path: Path):
    async with supervised(tmp_path, toy("web-1", tmp_path), toy("web-2", tmp_path)) as (_, said):
        first, other = pid_of("web-1", tmp_path), pid_of("web-2", tmp_path)
        os.kill(first, signal.SIGKILL)
        await until(lambda: said)
        second = pid_of("web-1", tmp_path)
        assert birth_of(second)
        assert second != first
        assert pid_of("web-2", tmp_path) == other
    assert said == [f"web-1 ended (SIGKILL); started again, pid {second}"]


async def test_what_dies_again_and_again_is_waited_for_longer_and_longer(tmp_path: Path):
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        await asyncio.sleep(0)

    async with supervised(tmp_path, toy("worker", tmp_path, "exit 3"), sleep=sleep) as (_, said):
        await until(lambda: len(pauses) >= 8)
    assert pauses[:8] == [0.5, 1, 2, 4, 8, 10, 10, 10]
    assert said[0].startswith("worker ended (exit code 3); started again")  # the first time at once
    assert said[1].startswith("worker ended (exit code 3); another try in 0.5 s, see ")


async def test_what_lived_for_a_while_is_started_again_at_once(tmp_path: Path):
    pauses: list[float] = []
    ticks = iter(range(0, 10_000_000, 40))

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    worker = toy("worker", tmp_path, "exit 3")
    async with supervised(tmp_path, worker, sleep=sleep, clock=lambda: next(ticks)) as (_, said):
        await until(lambda: len(said) >= 5)
    assert pauses == []


async def test_a_part_that_does_not_come_up_at_first_ends_the_start_with_its_last_words(tmp_path: Path):
    async def never() -> bool:
        return False

    bad = toy("web-1", tmp_path, "echo a bad setting >&2; exit 1", begins=1, answers=never)
    supervisor = Supervisor([toy("redis", tmp_path), bad], tmp_path, print)
    with pytest.raises(PartFailed, match=r"web-1 ended with exit code 1:\na bad setting"):
        await supervisor.start()
    redis = pid_of("redis", tmp_path)
    await supervisor.end()
    assert not birth_of(redis)


async def test_a_command_that_is_not_there_is_said(tmp_path: Path):
    part = toy("web-1", tmp_path)
    gone = Supervisor([type(part)("web-1", ["/not/there"], tmp_path, 0, 0)], tmp_path, print)
    with pytest.raises(PartFailed, match="web-1 cannot be started"):
        await gone.start()
    await gone.end()


async def test_a_signal_during_the_start_ends_it(tmp_path: Path):
    async def never() -> bool:
        return False

    supervisor = Supervisor([toy("redis", tmp_path, answers=never)], tmp_path, print)
    starting = asyncio.create_task(supervisor.start())
    await until(lambda: lines(tmp_path / "begun"))
    supervisor.signalled(signal.SIGTERM)
    assert await starting is False
    await supervisor.end()
    assert lines(tmp_path / "ended") == ["redis"]


async def test_the_parts_end_in_their_order_and_the_database_last(tmp_path: Path):
    parts = [
        toy("database", tmp_path, ends=3),
        toy("redis", tmp_path, ends=2),
        toy("web", tmp_path, ends=0),
        toy("proxy", tmp_path, ends=1),
    ]
    async with supervised(tmp_path, *parts):
        await until(lambda: len(lines(tmp_path / "begun")) == 4)
    assert lines(tmp_path / "ended") == ["web", "proxy", "redis", "database"]


async def test_what_ends_because_all_ends_is_not_started_again(tmp_path: Path):
    async with supervised(tmp_path, toy("web", tmp_path)) as (_, said):
        await until(lambda: lines(tmp_path / "begun"))
    assert lines(tmp_path / "begun") == ["web"]
    assert said == []


async def test_a_part_gets_the_signal_that_the_stack_got_or_its_own(tmp_path: Path):
    script = (
        "trap 'echo {name}-int >> {folder}/got; exit 0' INT; trap 'echo {name}-term >> {folder}/got; exit 0' TERM; \
echo {name} >> {folder}/begun; while :; do sleep 0.02; done"
    )
    parts = [
        toy("web", tmp_path, script),
        toy("postgres", tmp_path, script, ends=1, end_signal=signal.SIGINT),
    ]
    async with supervised(tmp_path, *parts) as (supervisor, _):
        await until(lambda: len(lines(tmp_path / "begun")) == 2)
        supervisor.signalled(signal.SIGTERM)
    assert lines(tmp_path / "got") == ["web-term", "postgres-int"]


async def test_a_part_that_does_not_end_is_killed_after_its_grace(tmp_path: Path):
    async with supervised(tmp_path, toy("web", tmp_path, STUBBORN, grace_seconds=0.2)) as (_, said):
        await until(lambda: lines(tmp_path / "begun"))
        pid = pid_of("web", tmp_path)
    assert not birth_of(pid)
    assert said == ["web did not end within 0.2 s and is killed."]


async def test_a_second_signal_kills_at_once(tmp_path: Path):
    parts = [toy("web", tmp_path, STUBBORN, grace_seconds=600), toy("redis", tmp_path, ends=1)]
    async with supervised(tmp_path, *parts) as (supervisor, _):
        await until(lambda: len(lines(tmp_path / "begun")) == 2)
        supervisor.signalled(signal.SIGTERM)
        ending = asyncio.create_task(supervisor.end())
        await asyncio.sleep(0.1)
        assert not ending.done()
        supervisor.signalled(signal.SIGTERM)
        async with asyncio.timeout(20):
            await ending
    assert supervisor.was_cut_short
    assert lines(tmp_path / "ended") == []


async def test_what_a_dead_process_left_behind_is_ended_before_it_is_started_again(tmp_path: Path):
    async with supervised(tmp_path, toy("proxy", tmp_path, WITH_CHILD)) as (_, said):
        await until(lambda: lines(tmp_path / "child"))
        child = int(lines(tmp_path / "child")[0])
        assert birth_of(child)
        os.kill(pid_of("proxy", tmp_path), signal.SIGKILL)
        await until(lambda: said)
        await until(lambda: not birth_of(child))
