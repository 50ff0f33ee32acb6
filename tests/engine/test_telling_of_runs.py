"""What the meters and the log know of runs, made by the real machine with a provider at the wire."""

import asyncio
import uuid
from decimal import Decimal
from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs

from chat.models import LanguageModel, Price
from chat.telemetry.state import State
from tests.engine.conftest import Chat
from tests.telemetry.reading import Figures, figures

pytestmark = pytest.mark.django_db(transaction=True)


def read(chat: Chat) -> Figures:
    return figures(chat.runtime.telemetry.page(State())[0])


async def ended(chat: Chat, run: str) -> dict[str, Any]:
    last = (await chat.events(run))[-1]
    async with asyncio.timeout(5):
        while len(chat.runtime.supervisor):
            await asyncio.sleep(0.01)
    return last


@pytest.fixture
def lines():
    with capture_logs(processors=[structlog.contextvars.merge_contextvars]) as seen:
        yield seen


async def test_a_whole_answer_is_counted_with_its_figures(chat: Chat):
    started = await chat.ask("hello")
    last = await ended(chat, started.run)
    seen = read(chat)
    assert seen['lectern_runs_begun_total{how="new"}'] == 1
    assert seen['lectern_runs_ended_total{status="completed"}'] == 1
    assert seen["lectern_run_first_token_seconds_sum"] == last["ttft_ms"] / 1000
    assert seen['lectern_run_duration_seconds_sum{status="completed"}'] == last["duration_ms"] / 1000
    assert seen['lectern_model_calls_total{outcome="completed",provider="fake"}'] == 1
    for kind in ("input", "output"):
        name = f'lectern_tokens_total{{kind="{kind}",model="model-1",provider="fake"}}'
        assert seen[name] == last["usage"][f"{kind}_tokens"]


async def test_deltas_and_bytes_are_those_that_were_told(chat: Chat):
    started = await chat.ask("hello")
    events = await chat.events(started.run)
    told = sum(event["type"] == "text.delta" for event in events)
    assert told > 0
    assert read(chat)["lectern_deltas_told_total"] == told
    assert chat.runtime.log.told == len(events)
    kept = chat.runtime.log.of(started.run).bodies  # type: ignore[attr-defined]
    bodies = sum(map(len, kept))
    assert chat.runtime.log.told_bytes == bodies


async def test_a_stopped_answer_tells_how_long_the_stop_took(chat: Chat, upstream):
    async def play(answer):
        await answer.say("one")
        await answer.wait_for_hang_up()

    upstream.play = play
    started = await chat.ask("hello")
    await chat.events(started.run, until="text.delta")
    await chat.stop(started)
    await ended(chat, started.run)
    seen = read(chat)
    assert seen['lectern_runs_ended_total{status="stopped"}'] == 1
    assert seen["lectern_run_stop_seconds_count"] == 1
    assert (
        sum(
            seen[f'lectern_run_ratings_total{{band="{band}",figure="stop"}}']
            for band in ("good", "slow", "bad")
        )
        == 1
    )
    assert seen['lectern_model_calls_total{outcome="stopped",provider="fake"}'] == 1


async def test_attempts_and_retries_are_counted_once_each(chat: Chat, upstream):
    async def play(answer):
        if len(upstream.requests) == 1:
            await answer.say("half")
            answer.cut()
        else:
            await answer.say("whole")
            await answer.end()

    upstream.play = play
    started = await chat.ask("hello")
    await ended(chat, started.run)
    seen = read(chat)
    assert seen['lectern_model_retries_total{code="provider_cut",provider="fake"}'] == 1
    assert seen['lectern_model_calls_total{outcome="provider_cut",provider="fake"}'] == 1
    assert seen['lectern_model_calls_total{outcome="completed",provider="fake"}'] == 1
    assert seen['lectern_runs_ended_total{status="completed"}'] == 1


async def test_what_the_meters_say_of_cost_is_what_the_ledger_says(chat: Chat):
    def price():
        model = LanguageModel.objects.get()
        Price.objects.create(model=model, input=Decimal(3), output=Decimal(15), currency="EUR")
        chat.runtime.offers.forget(model.pk)

    await chat.runtime.database(price)
    for _ in range(3):
        await ended(chat, (await chat.ask("hello")).run)
    ledger = sum((call.cost or Decimal(0) for call in await chat.calls()), Decimal(0))
    counted = read(chat)['lectern_cost_total{currency="EUR",model="model-1",provider="fake"}']
    assert counted == pytest.approx(float(ledger))
    assert counted > 0


async def test_each_line_while_a_run_is_made_says_which_and_not_who_asked(chat: Chat, upstream, lines):
    async def play(answer):
        await answer.say("one")
        answer.cut()

    upstream.play = play
    with structlog.contextvars.bound_contextvars(request_id="who asked"):
        started = await chat.ask("hello")
    await ended(chat, started.run)
    said = {line["event"]: line for line in lines}
    for event in ("run begins", "model call failed", "run ended"):
        line = said[event]
        assert (line["run"], line["conversation"], line["epoch"]) == (started.run, started.conversation, 1)
        assert "request_id" not in line


async def test_a_line_from_a_database_thread_says_what_its_caller_is_about(chat: Chat, lines):
    def work():
        structlog.get_logger("chat.models").info("in a thread")

    with structlog.contextvars.bound_contextvars(run="run-1"):
        await chat.runtime.database(work)
    await chat.runtime.database(work)
    assert [line.get("run") for line in lines if line["event"] == "in a thread"] == ["run-1", None]


async def test_one_line_says_how_a_run_ended(chat: Chat, lines):
    started = await chat.ask("hello")
    last = await ended(chat, started.run)
    [line] = [line for line in lines if line["event"] == "run ended"]
    assert line["log_level"] == "info"
    assert (line["status"], line["model"]) == ("completed", "fake/model-1")
    assert (line["ttft_ms"], line["duration_ms"]) == (last["ttft_ms"], last["duration_ms"])
    assert line["output_tokens"] == last["usage"]["output_tokens"]
    [began] = [line for line in lines if line["event"] == "run begins"]
    assert began["log_level"] == "debug"


async def test_a_run_that_another_process_has_claimed_is_left_and_not_ended(chat: Chat, upstream):
    async def play(answer):
        await answer.say("one")
        await answer.wait_for_hang_up()

    upstream.play = play
    started = await chat.ask("hello")
    await chat.events(started.run, until="text.delta")
    from chat.models import Run

    await chat.runtime.database(Run.objects.filter(pk=uuid.UUID(started.run)).update, epoch=2)
    async with asyncio.timeout(10):
        while len(chat.runtime.supervisor):
            await asyncio.sleep(0.02)
    seen = read(chat)
    assert seen['lectern_runs_left_total{why="abandoned"}'] == 1
    assert sum(value for name, value in seen.items() if name.startswith("lectern_runs_ended_total")) == 0
