"""Every recorded stream gives the facts written beside it, however its bytes are cut or framed."""

import itertools
from http import HTTPStatus
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chat.llm.dialects.registry import DIALECTS
from chat.llm.replay import replay_error
from tests.llm import corpus, wire

pytestmark = [pytest.mark.corpus, corpus.needs_corpus]

STREAMS = [
    pytest.param(dialect, name, id=name)
    for protocol, dialect in corpus.DIALECT_OF.items()
    if dialect in DIALECTS
    for name in corpus.streams(protocol)
]
SMALL_BYTES = 2500
SMALL = [
    case
    for case in STREAMS
    if isinstance(case.values[1], str) and len(corpus.bytes_of(case.values[1])) < SMALL_BYTES
]


def check(name: str, found: dict[str, Any]) -> None:
    expected = corpus.expected_of(name)
    calls = [{key: call[key] for key in ("id", "name", "arguments")} for call in expected["tool_calls"]]
    if "function_call" in expected:
        legacy = expected["function_call"]  # has no id on the wire
        calls = [{"id": "made-up-1", "name": legacy["name"], "arguments": legacy["arguments"]}]
    assert found["text"] == expected["text"]
    assert found["reasoning"] == expected["reasoning"]
    assert found["refusal"] == expected["refusal"]
    assert found["tool_calls"] == calls
    assert found["finish_reason"] == expected["finish_normalised"]
    assert found["usage"] == expected["usage_normalised"]
    if expected["complete"] is not None:
        assert found["complete"] == expected["complete"]
    error = found["error"] and {name: found["error"][name] for name in ("message", "code")}
    told = expected["error"] and {name: expected["error"].get(name) for name in ("message", "code")}
    assert error == (told or None)


@pytest.mark.parametrize(("dialect", "name"), STREAMS)
def test_the_facts_survive_every_framing(dialect: str, name: str):
    for variant, chunks, same in corpus.variants(corpus.bytes_of(name)):
        deltas = wire.read(wire.dialect(dialect).decoder(), chunks)
        wire.check_order(deltas)
        found = wire.facts(deltas)
        if same:
            check(name, found)
        else:
            assert not found["complete"], variant


@pytest.mark.parametrize(("dialect", "name"), SMALL)
def test_a_cut_into_two_chunks_anywhere_changes_nothing(dialect: str, name: str):
    body = corpus.bytes_of(name)
    whole = wire.comparable(wire.read(wire.dialect(dialect).decoder(), [body]))
    for at in range(1, len(body)):
        halves = wire.read(wire.dialect(dialect).decoder(), [body[:at], body[at:]])
        assert wire.comparable(halves) == whole


@pytest.mark.parametrize(("dialect", "name"), SMALL)
def test_a_body_that_stops_anywhere_is_whole_or_reported(dialect: str, name: str):
    body = corpus.bytes_of(name)
    whole = wire.facts(wire.read(wire.dialect(dialect).decoder(), [body]))
    for at in range(len(body)):
        deltas = wire.read(wire.dialect(dialect).decoder(), [body[:at]])
        wire.check_order(deltas)
        found = wire.facts(deltas)
        assert whole["text"].startswith(found["text"])
        if found["complete"]:
            assert (found["text"], found["tool_calls"]) == (whole["text"], whole["tool_calls"])


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([case.values for case in STREAMS] or [("", "")]), st.data())
def test_every_way_of_cutting_gives_the_same_deltas(case: tuple[str, str], data: st.DataObject):
    dialect, name = case
    body = corpus.bytes_of(name)[:60_000]
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=20)))
    edges = [0, *cuts, len(body)]
    pieces = [body[a:b] for a, b in itertools.pairwise(edges)]
    found = wire.read(wire.dialect(dialect).decoder(), pieces)
    assert wire.comparable(found) == wire.comparable(wire.read(wire.dialect(dialect).decoder(), [body]))


@pytest.mark.parametrize("name", corpus.http_errors())
def test_error_bodies_are_read(name: str):
    answer, expected = corpus.http_of(name), corpus.expected_of(name)
    dialect = wire.dialect("openai_chat")
    body = answer["body"].encode()
    if answer["status"] < 400:
        error = wire.facts(wire.read(dialect.decoder(), [body]))["error"]
    else:
        error = replay_error(dialect, answer["status"], body)["error"]
    assert error["code"] == expected["code"]
    assert error["message"] == (expected["message"] if expected["parsed"] else _status_line(answer["status"]))


def _status_line(status: int) -> str:
    return f"HTTP {status} {HTTPStatus(status).phrase}"
