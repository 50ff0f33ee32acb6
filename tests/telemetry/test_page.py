"""The page of metrics, without a server: what is counted and how it is written."""

import pytest

from chat.conf import Bands
from chat.telemetry.bands import rated
from chat.telemetry.bounded import Bounded
from chat.telemetry.page import Telemetry
from chat.telemetry.runs import MOST_MODELS, EndedRun
from chat.telemetry.state import Process, Sockets, State, Stored
from tests.telemetry.reading import figures

OPENMETRICS = "application/openmetrics-text; version=1.0.0"
NO_TOKENS: dict[str, int | None] = {}


@pytest.fixture
def telemetry() -> Telemetry:
    return Telemetry(Bands(), version="1.2.3")


def read(telemetry: Telemetry, state: State | None = None) -> dict[str, float]:
    return figures(telemetry.page(state or State())[0])


def called(telemetry: Telemetry, model: str = "model-1", **more) -> None:
    facts = {"outcome": "completed", "tokens": NO_TOKENS, "cost": None, "currency": ""} | more
    telemetry.runs.called("fake", model, **facts)


@pytest.mark.parametrize(
    ("value", "bounds", "expected"),
    [
        (0.49, (0.5, 1.0), "good"),
        (0.5, (0.5, 1.0), "slow"),
        (1.0, (0.5, 1.0), "slow"),
        (1.01, (0.5, 1.0), "bad"),
        (51.0, (50.0, 20.0), "good"),
        (50.0, (50.0, 20.0), "slow"),
        (20.0, (50.0, 20.0), "slow"),
        (19.0, (50.0, 20.0), "bad"),
    ],
)
def test_a_figure_is_good_slow_or_bad(value: float, bounds: tuple[float, float], expected: str):
    assert rated(value, bounds) == expected


def test_labels_beyond_the_bound_are_counted_together():
    bounded = Bounded(2)
    assert [bounded(name) for name in "abcab"] == [("a",), ("b",), ("other",), ("a",), ("b",)]


def test_a_run_that_completed_is_counted_timed_and_rated(telemetry: Telemetry):
    telemetry.runs.ended(
        EndedRun(
            "completed",
            first_token_seconds=0.7,
            duration_seconds=9.0,
            tokens_per_second=60.0,
            output_tokens=100,
        )
    )
    seen = read(telemetry)
    assert seen['lectern_runs_ended_total{status="completed"}'] == 1
    assert seen['lectern_run_first_token_seconds_bucket{le="0.5"}'] == 0
    assert seen['lectern_run_first_token_seconds_bucket{le="0.75"}'] == 1
    assert seen['lectern_run_duration_seconds_sum{status="completed"}'] == 9
    assert seen["lectern_run_tokens_per_second_sum"] == 60
    assert seen['lectern_run_ratings_total{band="slow",figure="first_token"}'] == 1
    assert seen['lectern_run_ratings_total{band="good",figure="total"}'] == 1
    assert seen['lectern_run_ratings_total{band="good",figure="pace"}'] == 1
    assert seen["lectern_run_stop_seconds_count"] == 0


def test_every_reason_to_leave_an_answer_shows_before_the_first_one(telemetry: Telemetry):
    seen = read(telemetry)
    for why in ("abandoned", "handed_over", "parked", "broken_off"):
        assert seen[f'lectern_runs_left_total{{why="{why}"}}'] == 0


def test_a_long_answer_may_take_its_time(telemetry: Telemetry):
    telemetry.runs.ended(EndedRun("completed", duration_seconds=90.0, output_tokens=501))
    seen = read(telemetry)
    assert seen['lectern_run_ratings_total{band="bad",figure="total"}'] == 0
    assert seen['lectern_run_duration_seconds_count{status="completed"}'] == 1


def test_a_run_that_was_taken_over_has_no_time_of_its_own(telemetry: Telemetry):
    telemetry.runs.ended(
        EndedRun("completed", whole=False, first_token_seconds=0.1, duration_seconds=2.0, output_tokens=5)
    )
    seen = read(telemetry)
    assert seen['lectern_runs_ended_total{status="completed"}'] == 1
    assert seen["lectern_run_first_token_seconds_count"] == 0
    assert seen['lectern_run_duration_seconds_count{status="completed"}'] == 0
    assert seen['lectern_run_ratings_total{band="good",figure="total"}'] == 0


def test_a_failed_run_is_counted_by_its_code(telemetry: Telemetry):
    telemetry.runs.ended(EndedRun("failed", code="provider_auth"))
    assert read(telemetry)['lectern_run_errors_total{code="provider_auth"}'] == 1


def test_tokens_and_cost_are_those_of_the_model(telemetry: Telemetry):
    called(telemetry, tokens={"input": 10, "output": None}, cost=0.25, currency="EUR")
    called(telemetry, tokens={"input": 5, "output": 7}, cost=0.5, currency="EUR")
    seen = read(telemetry)
    assert seen['lectern_tokens_total{kind="input",model="model-1",provider="fake"}'] == 15
    assert seen['lectern_tokens_total{kind="output",model="model-1",provider="fake"}'] == 7
    assert seen['lectern_cost_total{currency="EUR",model="model-1",provider="fake"}'] == 0.75
    assert seen['lectern_model_calls_total{outcome="completed",provider="fake"}'] == 2


def test_of_tokens_and_cost_is_told_how_much_was_estimated(telemetry: Telemetry):
    called(telemetry, tokens={"input": 10}, cost=0.25, currency="EUR", estimated=True)
    called(telemetry, tokens={"input": 5}, cost=0.5, currency="EUR")
    seen = read(telemetry)
    assert seen['lectern_tokens_total{kind="input",model="model-1",provider="fake"}'] == 15
    assert seen['lectern_estimated_tokens_total{kind="input",model="model-1",provider="fake"}'] == 10
    assert seen['lectern_estimated_cost_total{currency="EUR",model="model-1",provider="fake"}'] == 0.25


def test_models_beyond_the_bound_are_one(telemetry: Telemetry):
    for number in range(MOST_MODELS + 5):
        called(telemetry, f"model-{number}", tokens={"input": 1})
    counted = {
        name: value for name, value in read(telemetry).items() if name.startswith("lectern_tokens_total")
    }
    assert len(counted) == MOST_MODELS + 1
    assert counted['lectern_tokens_total{kind="input",model="other",provider="other"}'] == 5


def test_tools_are_counted_by_name_and_end_and_one_that_does_not_exist_has_no_name(telemetry: Telemetry):
    telemetry.runs.tool_ended("calculate", "succeeded", 0.2)
    telemetry.runs.tool_ended("calculate", "cancelled", 9.0)
    telemetry.runs.tool_ended("", "failed", 0.0)
    seen = read(telemetry)
    assert seen['lectern_tool_invocations_total{status="succeeded",tool="calculate"}'] == 1
    assert seen['lectern_tool_invocations_total{status="failed",tool="none"}'] == 1
    # How long somebody waited until they pressed stop says nothing of the tool.
    assert seen['lectern_tool_duration_seconds_count{tool="calculate"}'] == 1


def test_two_runtimes_of_one_process_count_apart():
    one, other = (Telemetry(Bands(), version="1") for _ in range(2))
    one.runs.lost()
    assert [read(each)["lectern_runs_lost_total"] for each in (one, other)] == [1, 0]


def test_what_nobody_could_tell_is_absent_and_flagged(telemetry: Telemetry):
    seen = read(telemetry, State(process=Process()))
    assert seen["lectern_database_up"] == seen["lectern_broker_up"] == 0
    assert not [name for name in seen if name.startswith(("lectern_runs_open", "lectern_nodes_alive"))]
    assert not [name for name in seen if name.startswith(("lectern_queue_depth", "lectern_breaker_state"))]


def test_what_the_database_says_has_its_zeros_too(telemetry: Telemetry):
    seen = read(telemetry, State(stored=Stored({"running": 3}, {"web": 2})))
    assert seen["lectern_database_up"] == 1
    assert seen['lectern_runs_open{status="running"}'] == 3
    assert seen['lectern_runs_open{status="waiting"}'] == 0
    assert seen['lectern_nodes_alive{kind="web"}'] == 2
    assert seen['lectern_nodes_alive{kind="worker"}'] == 0


def test_of_sockets_the_median_and_the_slowest_are_told(telemetry: Telemetry):
    sockets = Sockets([0, 4, 900], [0.0, 0.0, 12.5], {4409: 2, 1000: 1, 3999: 1, 4998: 1})
    seen = read(telemetry, State(process=Process(sockets=sockets)))
    assert seen["lectern_sockets_open"] == 3
    assert seen["lectern_sockets_blocked"] == 1
    assert seen['lectern_socket_backlog_events{quantile="0.5"}'] == 4
    assert seen['lectern_socket_backlog_events{quantile="1"}'] == 900
    assert seen['lectern_socket_blocked_seconds{quantile="1"}'] == 12.5
    assert seen['lectern_sockets_closed_total{code="4409"}'] == 2
    assert seen['lectern_sockets_closed_total{code="other"}'] == 2


def test_a_breaker_has_a_one_at_its_state(telemetry: Telemetry):
    seen = read(telemetry, State(breakers={"fake": "half_open", "well": "closed"}))
    states = {name: value for name, value in seen.items() if 'provider="fake"' in name}
    assert [name for name, value in states.items() if value] == [
        'lectern_breaker_state{provider="fake",state="half_open"}'
    ]
    assert seen['lectern_breaker_state{provider="well",state="closed"}'] == 1


def test_both_forms_say_the_same(telemetry: Telemetry):
    telemetry.runs.ended(EndedRun("stopped", stop_seconds=0.02))
    state = State(process=Process(events_told=5), stored=Stored())
    plain, plain_type = telemetry.page(state)
    open_form, open_type = telemetry.page(state, OPENMETRICS)
    assert plain_type.startswith("text/plain; version=0.0.4")
    assert open_type.startswith("application/openmetrics-text; version=1.0.0")
    ours = [
        {name: value for name, value in seen.items() if name.startswith("lectern_")}
        for seen in (figures(plain), figures(open_form, openmetrics=True))
    ]
    assert ours[0] == ours[1]
    assert ours[0]["lectern_events_told_total"] == 5


@pytest.mark.parametrize(
    "accept", ["application/openmetrics-text; version=none", "*/*", ";,;", "text/plain; version=x"]
)
def test_whatever_is_asked_for_there_is_a_page(telemetry: Telemetry, accept: str):
    body, content_type = telemetry.page(State(), accept)
    assert content_type.startswith("text/plain")
    assert figures(body)['lectern_build_info{python="' + python_version() + '",version="1.2.3"}'] == 1


def python_version() -> str:
    import platform

    return platform.python_version()
