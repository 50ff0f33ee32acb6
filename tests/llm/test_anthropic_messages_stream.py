"""Messages streams, written by hand, one for each oddity seen in the wild."""

import json
from typing import Any

import pytest

from chat.exceptions import ProviderCut, ProviderGarbage, ProviderOverloaded
from chat.llm.deltas import (
    CitationDelta,
    Delta,
    Failed,
    Finished,
    ReasoningDelta,
    ServerItem,
    Started,
    ToolCallReady,
)
from tests.llm.wire import DONE, check_order, dialect, event, facts, read


def ev(kind: str, **fields: Any) -> bytes:
    return event({"type": kind, **fields}, name=kind)


def deltas_of(*chunks: bytes) -> list[Delta]:
    found = read(dialect("anthropic_messages").decoder(), chunks)
    check_order(found)
    return found


def messages(*chunks: bytes) -> dict[str, Any]:
    return facts(deltas_of(*chunks))


def error_of(*chunks: bytes) -> Any:
    last = deltas_of(*chunks)[-1]
    assert isinstance(last, Failed)
    return last.error


def begin(**more: Any) -> bytes:
    message = {"id": "msg", "type": "message", "role": "assistant", "model": "m", "content": [], **more}
    return ev("message_start", message=message)


def opened(index: int, **block: Any) -> bytes:
    return ev("content_block_start", index=index, content_block=block)


def delta(index: int, kind: str, **fields: Any) -> bytes:
    return ev("content_block_delta", index=index, delta={"type": kind, **fields})


def closed(index: int) -> bytes:
    return ev("content_block_stop", index=index)


def end(reason: str | None = "end_turn", **more: Any) -> bytes:
    return ev("message_delta", delta={"stop_reason": reason, "stop_sequence": None}, **more)


def said(text: str, index: int = 0) -> bytes:
    return opened(index, type="text", text="") + delta(index, "text_delta", text=text) + closed(index)


STOP = ev("message_stop")


# --- text and reasoning ---------------------------------------------------------------------------


def test_text_and_who_said_it():
    found = deltas_of(begin(), ev("ping"), said("a"), said("b", 1), end(), STOP)
    assert found[0] == Started("msg", "m")
    assert facts(found)["text"] == "ab"
    assert found[-1] == Finished("stop", "end_turn")


def test_text_in_the_start_of_its_block():
    assert (
        messages(begin(), opened(0, type="text", text="a"), delta(0, "text_delta", text="b"), STOP)["text"]
        == "ab"
    )


def test_spaces_before_the_last_brace():
    padded = said("a").replace(b"}\n\n", b"      }\n\n")
    assert messages(begin(), padded, end(), STOP)["text"] == "a"


def test_a_block_without_a_start():
    assert messages(begin(), delta(0, "text_delta", text="a"), end(), STOP)["text"] == "a"
    assert messages(delta(0, "thinking_delta", thinking="a"), end(), STOP)["reasoning"] == "a"


def test_a_type_that_stands_only_in_the_name():
    body = event({"index": 0, "delta": {"text": "a"}}, name="content_block_delta")
    assert messages(begin(), body, end(), STOP)["text"] == "a"


def test_thinking_is_carried_back_with_its_signature():
    found = deltas_of(
        begin(),
        opened(0, type="thinking", thinking="", signature=""),
        delta(0, "thinking_delta", thinking="hm"),
        delta(0, "thinking_delta", thinking="m"),
        delta(0, "signature_delta", signature="first"),
        delta(0, "signature_delta", signature="s"),
        closed(0),
        said("a", 1),
        end(),
        STOP,
    )
    block = {"type": "thinking", "thinking": "hmm", "signature": "s"}
    assert facts(found)["reasoning"] == "hmm"
    assert ReasoningDelta("", {"dialect": "anthropic_messages", "block": block}) in found


def test_redacted_thinking_is_carried_back():
    block = {"type": "redacted_thinking", "data": "xyz"}
    found = deltas_of(begin(), opened(0, **block), closed(0), end(), STOP)
    assert ReasoningDelta("", {"dialect": "anthropic_messages", "block": block}) in found


def test_a_surrogate_pair_cut_between_fragments():
    pair = delta(0, "text_delta", text="\ud83d") + delta(0, "text_delta", text="\ude00\x00")
    assert (
        messages(begin(), opened(0, type="text", text=""), pair, closed(0), end(), STOP)["text"] == "😀\ufffd"
    )
    assert messages(begin(), said("\ud83d"), end(), STOP)["text"] == "\ufffd"


# --- calls ----------------------------------------------------------------------------------------


def call(index: int, *fragments: str, close: bool = True, **more: Any) -> bytes:
    start = opened(index, **{"type": "tool_use", "id": "x", "name": "f", "input": {}, **more})
    body = b"".join(delta(index, "input_json_delta", partial_json=text) for text in fragments)
    return start + body + (closed(index) if close else b"")


def calls_in(*chunks: bytes) -> list[tuple[str, str, str]]:
    found = messages(begin(), *chunks, end("tool_use"), STOP)
    assert found["finish_reason"] == "tool_calls"
    return [(item["id"], item["name"], item["arguments"]) for item in found["tool_calls"]]


def test_a_call_in_fragments():
    assert calls_in(call(0, "", '{"a"', ":1}")) == [("x", "f", '{"a":1}')]


@pytest.mark.parametrize("fragments", [(), ("",)])
def test_a_call_without_arguments(fragments: tuple[str, ...]):
    assert calls_in(call(0, *fragments)) == [("x", "f", "{}")]


def test_a_call_whose_input_stands_in_its_start():
    assert calls_in(call(0, input={"a": 1})) == [("x", "f", '{"a": 1}')]


def test_interleaved_blocks():
    first, second = call(0, close=False), call(1, close=False, id="y")
    parts = [
        delta(i, "input_json_delta", partial_json=text)
        for i, text in ((1, "{2"), (0, "{1"), (1, "}"), (0, "}"))
    ]
    assert calls_in(first, second, *parts, closed(1), closed(0)) == [("x", "f", "{1}"), ("y", "f", "{2}")]


def test_a_call_without_id_gets_one():
    assert calls_in(call(0, id="")) == [("made-up-1", "f", "{}")]


def test_a_call_cut_by_the_length_limit_is_never_ready():
    found = deltas_of(begin(), call(0, "{}"), call(1, '{"a', close=False, id="y"), end("max_tokens"), STOP)
    assert [item.id for item in found if isinstance(item, ToolCallReady)] == ["x"]
    assert found[-1] == Finished("length", "max_tokens")


def test_what_the_provider_runs_itself_is_kept_and_not_ours_to_run():
    search = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}
    result = {"type": "web_search_tool_result", "tool_use_id": "s", "content": []}
    found = deltas_of(
        begin(),
        opened(0, **search) + delta(0, "input_json_delta", partial_json='{"query":"a"}') + closed(0),
        opened(1, **result) + closed(1),
        end(),
        STOP,
    )
    assert facts(found)["tool_calls"] == []
    kept = [item.raw["block"] for item in found if isinstance(item, ServerItem)]
    assert kept == [{**search, "input": {"query": "a"}}, result]
    assert {item.raw["dialect"] for item in found if isinstance(item, ServerItem)} == {"anthropic_messages"}


def test_unknown_blocks_deltas_and_events_pass_by():
    odd = (
        opened(0, type="banana", x=1) + delta(0, "peel_delta", peel="p") + closed(0) + ev("fruit", index="x")
    )
    assert messages(begin(), odd, said("a", 1), odd, end(), STOP)["text"] == "a"


def test_citations_do_not_cut_the_sentence():
    citation = {"type": "web_search_result_location", "url": "https://a", "title": "A", "cited_text": "x"}
    note = delta(0, "citations_delta", citation=citation)
    found = deltas_of(begin(), opened(0, type="text", text="a"), note, closed(0), said("b", 1), end(), STOP)
    assert facts(found)["text"] == "ab"
    assert CitationDelta("https://a", "A") in found


# --- the end --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wire_reason", "reason"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("refusal", "content_filter"),
        ("pause_turn", "pause"),
        ("banana", "unknown"),
    ],
)
def test_stop_reasons(wire_reason: str, reason: str):
    assert deltas_of(begin(), said("a"), end(wire_reason), STOP)[-1] == Finished(reason, wire_reason)


def test_a_refusal_without_content_says_why():
    details = {"type": "refusal", "category": "cyber", "explanation": "No."}
    body = ev("message_delta", delta={"stop_reason": "refusal", "stop_details": details})
    found = messages(begin(), body, STOP)
    assert (found["refusal"], found["finish_reason"]) == ("No.", "content_filter")


def test_the_whole_answer_in_message_start():
    block = {"type": "tool_use", "id": "x", "name": "f", "input": {"a": 1}}
    found = messages(begin(content=[{"type": "text", "text": "hi"}, block], stop_reason="tool_use"), STOP)
    assert (found["text"], found["finish_reason"]) == ("hi", "tool_calls")
    assert found["tool_calls"] == [{"id": "x", "name": "f", "arguments": '{"a": 1}'}]


def test_message_start_twice_is_once():
    assert (
        len(
            [
                item
                for item in deltas_of(begin(), begin(), said("a"), end(), STOP)
                if isinstance(item, Started)
            ]
        )
        == 1
    )


def test_another_message_inside_of_this_one_is_garbage():
    assert isinstance(error_of(begin(), said("a"), begin(id="other")), ProviderGarbage)


def test_no_message_stop():
    assert messages(begin(), said("a"), end())["complete"]
    assert isinstance(error_of(begin(), said("a")), ProviderCut)
    assert isinstance(error_of(begin(), said("a"), DONE), ProviderCut)
    decoder = dialect("anthropic_messages").decoder()
    decoder.feed(begin() + said("a") + end())
    assert decoder.abort("reset")[-1] == Finished("stop", "end_turn")


def test_done_after_message_stop_is_ignored():
    assert messages(begin(), said("a"), end(), STOP, event("[DONE]", name="data"))["complete"]


@pytest.mark.parametrize("before", [(), (begin(), said("a"))], ids=["first", "in the middle"])
def test_overload_inside_a_stream(before: tuple[bytes, ...]):
    error = error_of(*before, ev("error", error={"type": "overloaded_error", "message": "Overloaded"}))
    assert isinstance(error, ProviderOverloaded)
    assert error.detail == "Overloaded"


def usage_in(start: Any, *last: Any) -> Any:
    return messages(begin(usage=start), said("a"), *(end(usage=usage) for usage in last), STOP)["usage"]


def test_usage_is_overwritten_not_added():
    start = {
        "input_tokens": 10,
        "cache_read_input_tokens": 4,
        "cache_creation_input_tokens": 2,
        "output_tokens": 1,
    }
    last = {"output_tokens": 7, "input_tokens": None, "output_tokens_details": {"thinking_tokens": 3}}
    assert usage_in(start, {"output_tokens": 3}, last) == {
        "input_tokens": 16,
        "output_tokens": 7,
        "cached_tokens": 4,
        "cache_write_tokens": 2,
        "reasoning_tokens": 3,
    }
    assert (
        usage_in({"input_tokens": 0, "output_tokens": 0}, {"input_tokens": 9, "output_tokens": 7})[
            "input_tokens"
        ]
        == 9
    )
    assert usage_in(None) is None


def test_a_whole_answer_instead_of_a_stream():
    blocks = [{"type": "thinking", "thinking": "hm", "signature": "s"}, {"type": "text", "text": "hi"}]
    body = {"id": "msg", "type": "message", "role": "assistant", "model": "m", "content": blocks}
    usage = {"input_tokens": 1, "output_tokens": 2}
    found = messages(json.dumps({**body, "stop_reason": "end_turn", "usage": usage}).encode())
    assert (found["text"], found["reasoning"], found["finish_reason"]) == ("hi", "hm", "stop")
    assert found["usage"]["output_tokens"] == 2


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"{}", b"[1]", b"nothing", b"data: {broken\n\n", b'{"content": 1}']
)
def test_what_is_no_answer(body: bytes):
    assert isinstance(error_of(body), ProviderGarbage | ProviderOverloaded)
