"""Tool calls in chat completion streams, in every shape seen in the wild."""

import json
from typing import Any

import pytest

from chat.llm.deltas import (
    Finished,
    ToolCallReady,
    ToolCallStarted,
)
from tests.llm.wire import (
    DONE,
    STOP,
    chat,
    chunk,
    counting_ids,
    deltas_of,
    event,
)

# --- tool calls -----------------------------------------------------------------------------------


def call(index: int | None = None, arguments: Any = None, **more: Any) -> bytes:
    """One fragment of a call. `name` goes into its function."""
    function = {key: more.pop(key) for key in ("name",) if key in more}
    fragment = {"function": {**function, "arguments": arguments}, **more}
    if index is not None:
        fragment["index"] = index
    return chunk({"tool_calls": [fragment]})


def calls_in(*chunks: bytes) -> list[tuple[str, str, str]]:
    found = chat(*chunks, chunk({}, "tool_calls"), DONE)
    assert found["complete"]
    return [(item["id"], item["name"], item["arguments"]) for item in found["tool_calls"]]


def test_fragments_with_an_index():
    assert calls_in(call(0, "", id="x", name="f"), call(0, '{"a"'), call(0, ":1}")) == [("x", "f", '{"a":1}')]


def test_interleaved_fragments():
    found = calls_in(
        call(0, "", id="x", name="f"),
        call(1, "", id="y", name="g"),
        call(0, "{1"),
        call(1, "{2"),
        call(0, "}"),
    )
    assert found == [("x", "f", "{1}"), ("y", "g", "{2")]


def test_whole_calls_without_index():
    assert calls_in(call(None, "{}", id="x", name="f"), call(None, "{}", id="y", name="f")) == [
        ("x", "f", "{}"),
        ("y", "f", "{}"),
    ]


def test_fragments_without_index_and_id_belong_to_the_last_call():
    assert calls_in(call(None, "{", id="x", name="f"), call(None, "}")) == [("x", "f", "{}")]


def test_whole_calls_without_index_and_id():
    found = calls_in(call(None, '{"a":1}', name="f"), call(None, '{"a":2}', name="f"))
    assert found == [("made-up-1", "f", '{"a":1}'), ("made-up-2", "f", '{"a":2}')]


def test_index_zero_for_all_calls():
    assert calls_in(call(0, "{}", id="x", name="f"), call(0, "{}", id="y", name="f")) == [
        ("x", "f", "{}"),
        ("y", "f", "{}"),
    ]
    assert len(calls_in(call(0, '{"a":1}', name="f"), call(0, '{"a":2}', name="f"))) == 2
    assert len(calls_in(call(0, '{"a":1}', name="f"), call(0, '{"a":2}', name="g"))) == 2


def test_indexes_that_start_at_one_or_have_gaps():
    found = deltas_of(call(1, "{}", id="x", name="f"), call(7, "{}", id="y", name="g"), STOP, DONE)
    assert [delta.slot for delta in found if isinstance(delta, ToolCallStarted)] == [0, 1]


def test_id_and_name_repeated_with_every_fragment():
    again = {"id": "x", "name": "f"}
    assert calls_in(call(0, "{", **again), call(0, '"a":1', **again), call(0, "}", **again)) == [
        ("x", "f", '{"a":1}')
    ]


@pytest.mark.parametrize("nothing", ["", None])
def test_empty_ids_and_names_on_later_fragments(nothing: str | None):
    later = call(0, "}", id=nothing, name=nothing)
    assert calls_in(call(0, "{", id="x", name="f"), later) == [("x", "f", "{}")]


def test_arguments_null_missing_empty_or_an_object():
    start = call(0, None, id="x", name="f")
    assert calls_in(start) == [("x", "f", "{}")]
    assert calls_in(chunk({"tool_calls": [{"index": 0, "id": "x", "function": {"name": "f"}}]})) == [
        ("x", "f", "{}")
    ]
    assert calls_in(call(0, "", id="x", name="f")) == [("x", "f", "{}")]
    assert calls_in(call(0, {"a": 1}, id="x", name="f")) == [("x", "f", '{"a": 1}')]


@pytest.mark.parametrize("empty", ["{}", {}])
def test_an_empty_object_first_and_then_the_real_text(empty: Any):
    assert calls_in(call(0, empty, id="x", name="f"), call(0, '{"a"'), call(0, ":1}")) == [
        ("x", "f", '{"a":1}')
    ]


def test_several_calls_in_one_chunk_without_type():
    fragments = [{"id": i, "function": {"name": i, "arguments": "{}"}} for i in "xy"]
    assert calls_in(chunk({"tool_calls": fragments})) == [("x", "x", "{}"), ("y", "y", "{}")]


def test_a_name_that_comes_late_holds_the_start_back():
    found = deltas_of(call(0, '{"a"', id="x"), call(0, ":", name="f"), call(0, "1}"), STOP, DONE)
    starts = [delta for delta in found if isinstance(delta, ToolCallStarted)]
    assert starts == [ToolCallStarted(0, "x", "f")]
    assert ToolCallReady(0, "x", "f", '{"a":1}') in found


def test_calls_beside_content_of_any_kind():
    fragment = {"index": 0, "id": "x", "function": {"name": "f", "arguments": "{}"}}
    for content in (None, "", "text", [{"type": "text", "text": "t"}]):
        assert len(calls_in(chunk({"content": content, "tool_calls": [fragment]}))) == 1
    assert calls_in(chunk({"content": "a", "tool_calls": None})) == []


@pytest.mark.parametrize("reason", ["stop", ""])
def test_calls_make_the_finish_reason_tool_calls(reason: str):
    assert chat(call(0, "{}", id="x", name="f"), chunk({}, reason), DONE)["finish_reason"] == "tool_calls"


def test_a_call_cut_by_the_length_limit_is_never_ready():
    found = deltas_of(
        call(0, '{"a":1}', id="x", name="f"), call(1, '{"a', id="y", name="g"), chunk({}, "length"), DONE
    )
    assert [delta.id for delta in found if isinstance(delta, ToolCallReady)] == ["x"]
    assert found[-1] == Finished("length", "length")


def test_no_call_is_ready_in_a_stream_that_fails():
    for end in (b"", event({"error": {"message": "x"}})):
        found = deltas_of(call(0, "{}", id="x", name="f"), end)
        assert not any(isinstance(delta, ToolCallReady) for delta in found)


def test_the_legacy_function_call():
    found = calls_in(
        chunk({"function_call": {"name": "f", "arguments": ""}}),
        chunk({"function_call": {"arguments": '{"a"'}}),
        chunk({"function_call": {"arguments": ":1}"}}),
    )
    assert found == [("made-up-1", "f", '{"a":1}')]


def test_function_call_beside_tool_calls_is_ignored():
    both = {
        "role": None,
        "function_call": {"name": "f", "arguments": "{"},
        "tool_calls": [{"index": 0, "id": "x", "function": {"name": "f", "arguments": "{"}}],
    }
    rest = json.loads(json.dumps(both).replace('"{"', '"}"'))
    assert calls_in(chunk(both), chunk(rest), chunk({"function_call": {"arguments": "}"}})) == [
        ("x", "f", "{}")
    ]


def test_a_thought_signature_is_carried():
    extra = {"google": {"thought_signature": "c2ln"}}
    found = deltas_of(call(None, "{}", id="x", name="f", extra_content=extra), STOP, DONE)
    assert ToolCallReady(0, "x", "f", "{}", {"dialect": "openai_chat", "extra_content": extra}) in found


def test_made_up_ids_are_unlike():
    new_id = counting_ids()
    assert new_id() != new_id()
