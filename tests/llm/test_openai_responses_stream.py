"""Responses streams, written by hand, one for each oddity seen in the wild."""

import json
from typing import Any

import pytest

from chat.exceptions import ProviderCut, ProviderGarbage, ProviderOverloaded, ProviderRejected
from chat.llm.deltas import (
    CitationDelta,
    Delta,
    Failed,
    Finished,
    ImageDelta,
    ReasoningDelta,
    ServerItem,
    Started,
    TextRevised,
    ToolCallReady,
    ToolCallStarted,
)
from tests.llm.wire import DONE, check_order, dialect, event, facts, read


def ev(kind: str, **fields: Any) -> bytes:
    return event({"type": f"response.{kind}", **fields})


def deltas_of(*chunks: bytes) -> list[Delta]:
    found = read(dialect("openai_responses").decoder(), chunks)
    check_order(found)
    return found


def responses(*chunks: bytes) -> dict[str, Any]:
    return facts(deltas_of(*chunks))


def error_of(*chunks: bytes) -> Any:
    last = deltas_of(*chunks)[-1]
    assert isinstance(last, Failed)
    return last.error


def said(text: str, **where: Any) -> bytes:
    return ev("output_text.delta", delta=text, **{"output_index": 0, "content_index": 0, **where})


def completed(*output: Any, **more: Any) -> bytes:
    return ev("completed", response={"id": "r", "status": "completed", "output": list(output), **more})


def message(text: str, **more: Any) -> dict[str, Any]:
    return {"type": "message", "content": [{"type": "output_text", "text": text}], **more}


def call(arguments: str = "", **more: Any) -> dict[str, Any]:
    return {"type": "function_call", "call_id": "x", "name": "f", "arguments": arguments, **more}


CREATED = ev("created", response={"id": "r", "model": "m", "status": "in_progress", "output": []})
END = completed()


# --- text -----------------------------------------------------------------------------------------


def test_text_and_who_said_it():
    found = deltas_of(CREATED, ev("in_progress", response={"id": "other"}), said("a"), said("b"), END)
    assert found[0] == Started("r", "m")
    assert facts(found)["text"] == "ab"
    assert found[-1] == Finished("stop", "completed")


def test_ids_that_change_with_every_event():
    assert responses(CREATED, said("a", item_id="1"), said("b", item_id="2"), END)["text"] == "ab"


def test_a_resumed_stream_begins_without_created():
    assert responses(said("a"), END)["text"] == "a"


def test_an_event_whose_type_stands_only_in_its_name():
    body = {"delta": "a", "output_index": 0}
    assert responses(CREATED, event(body, name="response.output_text.delta"), END)["text"] == "a"


def test_indexes_may_be_missing():
    assert (
        responses(ev("output_text.delta", delta="a"), ev("output_text.done", text="ab"), END)["text"] == "ab"
    )


def test_the_whole_text_fills_gaps():
    assert (
        responses(said("a"), ev("output_text.done", output_index=0, content_index=0, text="abc"), END)["text"]
        == "abc"
    )
    assert (
        responses(CREATED, ev("output_item.done", output_index=0, item=message("abc")), END)["text"] == "abc"
    )
    assert responses(said("a"), completed(message("abc")))["text"] == "abc"
    assert responses(CREATED, completed(message("abc")))["text"] == "abc"


def test_the_whole_text_corrects_what_was_shown():
    found = deltas_of(
        said("a"), said("."), ev("output_text.done", output_index=0, content_index=0, text="ab"), END
    )
    assert TextRevised("ab") in found
    assert facts(found)["text"] == "ab"


def test_two_messages_in_one_answer():
    assert responses(said("a", output_index=0), said("b", output_index=2), END)["text"] == "ab"


@pytest.mark.parametrize("output", [[], None])
def test_an_empty_final_output_takes_nothing_away(output: Any):
    found = responses(said("a"), ev("completed", response={"status": "completed", "output": output}))
    assert (found["text"], found["complete"]) == ("a", True)


def test_a_surrogate_pair_cut_between_fragments():
    assert responses(said("\ud83d"), said("\ude00\x00"), END)["text"] == "😀\ufffd"
    assert responses(said("\ud83d"), END)["text"] == "\ufffd"


def test_a_refusal():
    whole = ev("refusal.done", output_index=0, content_index=0, refusal="I won't")
    found = responses(ev("refusal.delta", output_index=0, content_index=0, delta="I "), whole, END)
    assert (found["refusal"], found["text"]) == ("I won't", "")
    part = {"type": "message", "content": [{"type": "refusal", "refusal": "no"}]}
    assert responses(CREATED, completed(part))["refusal"] == "no"


# --- reasoning ------------------------------------------------------------------------------------


def test_summary_parts_are_paragraphs():
    def part(text: str, **more: Any) -> bytes:
        return ev("reasoning_summary_text.delta", output_index=0, delta=text, **more)

    found = responses(part("a"), part("b", summary_index=0), part("c", summary_index=1), END)
    assert found["reasoning"] == "ab\n\nc"


def test_raw_reasoning_and_reasoning_without_deltas():
    assert responses(ev("reasoning_text.delta", output_index=0, delta="a"), END)["reasoning"] == "a"
    item = {"type": "reasoning", "summary": [{"type": "summary_text", "text": "a"}, {"text": "b"}]}
    assert responses(ev("output_item.done", output_index=0, item=item), END)["reasoning"] == "a\n\nb"


def test_encrypted_reasoning_is_carried_whole():
    item = {"type": "reasoning", "id": "rs", "summary": [], "encrypted_content": "e"}
    found = deltas_of(ev("output_item.done", output_index=0, item=item), END)
    assert ReasoningDelta("", {"dialect": "openai_responses", "item": item}) in found


# --- calls ----------------------------------------------------------------------------------------


def added(index: int, item: dict[str, Any]) -> bytes:
    return ev("output_item.added", output_index=index, item=item)


def fragment(index: int, text: str) -> bytes:
    return ev("function_call_arguments.delta", output_index=index, delta=text)


def done(index: int, item: dict[str, Any]) -> bytes:
    return ev("output_item.done", output_index=index, item=item)


def calls_in(*chunks: bytes) -> list[tuple[str, str, str]]:
    found = responses(*chunks)
    assert found["complete"]
    return [(item["id"], item["name"], item["arguments"]) for item in found["tool_calls"]]


def test_a_call_in_fragments():
    found = deltas_of(
        added(1, call()), fragment(1, '{"a"'), fragment(1, ":1}"), done(1, call('{"a":1}')), END
    )
    assert facts(found)["tool_calls"] == [{"id": "x", "name": "f", "arguments": '{"a":1}'}]
    assert found[-1] == Finished("tool_calls", "completed")


def test_arguments_only_at_the_end():
    whole = ev("function_call_arguments.done", output_index=0, arguments='{"a":1}')
    assert calls_in(added(0, call()), whole, END) == [("x", "f", '{"a":1}')]
    assert calls_in(added(0, call()), done(0, call('{"a":1}')), END) == [("x", "f", '{"a":1}')]


def test_calls_only_in_the_final_output():
    assert calls_in(CREATED, completed(call("{}"), call("{}", call_id="y"))) == [
        ("x", "f", "{}"),
        ("y", "f", "{}"),
    ]
    assert calls_in(said("a"), completed(message("a"), call("{}"))) == [("x", "f", "{}")]
    assert len(calls_in(added(1, call()), done(1, call("{}")), completed(call("{}")))) == 1


def test_parallel_calls_closed_out_of_order():
    second = call(call_id="y")
    found = calls_in(
        added(1, call()),
        added(2, second),
        fragment(2, "{2}"),
        fragment(1, "{1}"),
        done(2, second),
        done(1, call()),
        END,
    )
    assert found == [("x", "f", "{1}"), ("y", "f", "{2}")]


def test_a_name_that_comes_late_holds_the_start_back():
    found = deltas_of(added(0, call(name="")), fragment(0, "{}"), done(0, call("{}")), END)
    assert [delta for delta in found if isinstance(delta, ToolCallStarted)] == [ToolCallStarted(0, "x", "f")]


def test_a_call_without_id_gets_one():
    assert calls_in(added(0, call(call_id="")), END) == [("made-up-1", "f", "{}")]


def test_whole_arguments_win_over_their_fragments():
    body = (added(0, call()), fragment(0, '{"b'), done(0, call('{"a":1}')), END)
    found = facts(read(dialect("openai_responses").decoder(), body))
    assert found["tool_calls"] == [{"id": "x", "name": "f", "arguments": '{"a":1}'}]


def test_a_custom_call_has_free_text():
    item = {"type": "custom_tool_call", "call_id": "x", "name": "sql", "input": ""}
    text = ev("custom_tool_call_input.delta", output_index=0, delta="SELECT 1")
    ready = ToolCallReady(
        0, "x", "sql", "SELECT 1", {"dialect": "openai_responses", "type": "custom_tool_call"}
    )
    assert ready in deltas_of(added(0, item), text, done(0, {**item, "input": "SELECT 1"}), END)


def test_a_call_cut_by_the_length_limit_is_never_ready():
    end = ev(
        "incomplete", response={"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}
    )
    found = deltas_of(added(0, call()), fragment(0, '{"a'), done(0, call('{"a', status="incomplete")), end)
    assert not any(isinstance(delta, ToolCallReady) for delta in found)
    assert found[-1] == Finished("length", "incomplete")
    assert facts(found)["tool_calls"] == [{"id": "x", "name": "f", "arguments": '{"a'}]


# --- what the provider ran, citations, images -----------------------------------------------------


def test_server_items_citations_and_images():
    search = {"type": "web_search_call", "id": "ws", "status": "completed"}
    note = {"type": "url_citation", "url": "https://a", "title": "A", "start_index": 0, "end_index": 1}
    picture = {"type": "image_generation_call", "result": "AAAA", "output_format": "webp"}
    found = deltas_of(
        done(0, search),
        done(1, picture),
        said("a", output_index=2),
        ev("output_text.annotation.added", output_index=2, annotation=note),
        done(
            2, {"type": "message", "content": [{"type": "output_text", "text": "a", "annotations": [note]}]}
        ),
        END,
    )
    assert ServerItem("web_search_call", {"dialect": "openai_responses", "item": search}) in found
    assert ImageDelta("image/webp", data="AAAA") in found
    assert [delta for delta in found if isinstance(delta, CitationDelta)] == [
        CitationDelta("https://a", "A", 0, 1)
    ]


@pytest.mark.parametrize("kind", ["keepalive", "keep_alive", "code_interpreter_call_code.delta", "banana"])
def test_unknown_events_pass_by(kind: str):
    odd = event({"type": kind, "sequence_number": "x"}) + ev(kind, delta={"stdout": "x"}, output_index=0)
    assert responses(CREATED, odd, said("a"), odd, END)["text"] == "a"


def test_deltas_that_are_no_text_pass_by():
    assert (
        responses(CREATED, ev("output_text.delta", delta={"a": 1}), ev("output_text.delta", delta=7), END)[
            "text"
        ]
        == ""
    )


# --- the end --------------------------------------------------------------------------------------


def test_no_terminal_event_is_a_cut():
    assert isinstance(error_of(CREATED, said("a")), ProviderCut)
    assert isinstance(error_of(CREATED, said("a"), DONE), ProviderCut)


def test_done_after_the_terminal_event_is_ignored():
    assert responses(CREATED, said("a"), END, DONE)["complete"]


@pytest.mark.parametrize(
    ("why", "reason"),
    [
        ("max_output_tokens", "length"),
        ("content_filter", "content_filter"),
        ("steered", "length"),
        (None, "length"),
    ],
)
def test_incomplete_answers(why: str | None, reason: str):
    response = {"status": "incomplete", "incomplete_details": {"reason": why}}
    assert responses(said("a"), ev("incomplete", response=response))["finish_reason"] == reason
    assert responses(said("a"), ev("completed", response=response))["finish_reason"] == reason


def test_failed_answers():
    failed = ev("failed", response={"status": "failed", "error": {"code": "server_error", "message": "boom"}})
    error = error_of(CREATED, failed)
    assert isinstance(error, ProviderOverloaded)
    assert (error.upstream_code, error.detail) == ("server_error", "boom")
    assert not responses(CREATED, ev("cancelled", response={"status": "cancelled", "error": None}))[
        "complete"
    ]


@pytest.mark.parametrize(
    "body",
    [
        {"type": "error", "code": "rate_limit_exceeded", "message": "slow", "param": None},
        {"type": "error", "error": {"type": "tokens", "code": "rate_limit_exceeded", "message": "slow"}},
        {"error": {"code": "rate_limit_exceeded", "message": "slow"}},
    ],
    ids=["flat", "nested", "bare"],
)
def test_errors_in_the_stream(body: dict[str, Any]):
    error = error_of(CREATED, said("a"), event(body), ev("failed", response={"status": "failed"}))
    assert isinstance(error, ProviderOverloaded)
    assert (error.upstream_code, error.detail) == ("rate_limit_exceeded", "slow")


def test_an_invalid_prompt_is_not_retried():
    failed = {"status": "failed", "error": {"code": "invalid_prompt", "message": "no"}}
    assert isinstance(error_of(ev("failed", response=failed)), ProviderRejected)


def test_usage():
    usage = {
        "input_tokens": 5,
        "input_tokens_details": {"cached_tokens": 2, "cache_write_tokens": 1},
        "output_tokens": 7,
        "output_tokens_details": {"reasoning_tokens": 3},
        "total_tokens": 12,
    }
    assert responses(said("a"), completed(usage=usage))["usage"] == {
        "input_tokens": 5,
        "output_tokens": 7,
        "cached_tokens": 2,
        "cache_write_tokens": 1,
        "reasoning_tokens": 3,
    }
    assert responses(said("a"), completed(usage=None))["usage"] is None


def test_a_whole_answer_instead_of_a_stream():
    item = {"type": "reasoning", "summary": [{"text": "hm"}], "encrypted_content": "e"}
    body = {"id": "r", "object": "response", "status": "completed", "error": None, "model": "m"}
    found = responses(json.dumps({**body, "output": [item, message("hi"), call("{}")]}).encode())
    assert (found["text"], found["reasoning"], found["finish_reason"]) == ("hi", "hm", "tool_calls")
    failed: dict[str, Any] = {
        **body,
        "status": "failed",
        "output": [],
        "error": {"code": "server_error", "message": "boom"},
    }
    assert responses(json.dumps(failed).encode())["error"]["message"] == "boom"


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"{}", b"[1]", b"nothing", b'{"output": 1}', b"data: {broken\n\n"]
)
def test_what_is_no_answer(body: bytes):
    assert isinstance(error_of(body), ProviderGarbage | ProviderOverloaded)
