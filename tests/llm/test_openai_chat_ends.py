"""How chat completion streams end, what they cost, and how they fail."""

from typing import Any

import pytest

from chat.exceptions import ProviderCut, ProviderOverloaded, ProviderRejected
from chat.llm.deltas import (
    Finished,
    Usage,
    UsageReported,
)
from tests.llm.wire import DONE, STOP, chat, chunk, deltas_of, dialect, error_of, event, said

# --- the end --------------------------------------------------------------------------------------


def test_done_without_a_finish_reason_is_a_whole_answer():
    found = chat(said("a"), DONE)
    assert (found["complete"], found["finish_reason"]) == (True, "unknown")


def test_a_finish_reason_without_done_is_a_whole_answer():
    assert chat(said("a"), STOP)["complete"]


def test_neither_is_a_cut():
    assert isinstance(error_of(said("a")), ProviderCut)
    found = chat(said("a"))
    assert (found["complete"], found["finish_reason"], found["error"]) == (False, None, None)


def test_a_line_that_breaks_is_a_cut_unless_the_answer_was_whole():
    decoder = dialect("openai_chat").decoder()
    decoder.feed(said("a"))
    assert isinstance(decoder.abort("reset")[-1].error, ProviderCut)  # type: ignore[union-attr]
    decoder = dialect("openai_chat").decoder()
    decoder.feed(said("a") + STOP)
    assert decoder.abort("reset")[-1] == Finished("stop", "stop")


def test_after_the_end_nothing_more_is_said():
    decoder = dialect("openai_chat").decoder()
    decoder.feed(said("a") + STOP + DONE + said("b"))
    assert decoder.ended
    assert decoder.feed(said("b")) == decoder.close() == decoder.abort() == []


def test_a_finish_reason_twice_is_one_end():
    found = deltas_of(said("a"), STOP, chunk({}, "stop", usage={"prompt_tokens": 1}), DONE)
    assert sum(isinstance(delta, Finished) for delta in found) == 1


@pytest.mark.parametrize("reason", ["", None])
def test_an_empty_finish_reason_is_none(reason: str | None):
    assert chat(chunk({"content": "a"}, reason), DONE)["finish_reason"] == "unknown"


@pytest.mark.parametrize(
    ("wire_reason", "reason"),
    [
        ("stop", "stop"),
        ("length", "length"),
        ("tool_calls", "tool_calls"),
        ("function_call", "tool_calls"),
        ("content_filter", "content_filter"),
        ("banana", "unknown"),
    ],
)
def test_finish_reasons(wire_reason: str, reason: str):
    assert deltas_of(chunk({}, wire_reason), DONE)[-1] == Finished(reason, wire_reason)


# --- usage ----------------------------------------------------------------------------------------


def usage_in(*chunks: bytes) -> Any:
    return chat(*chunks)["usage"]


USAGE = {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12}


@pytest.mark.parametrize(
    "chunks",
    [
        (STOP, event({"id": "c1", "choices": [], "usage": USAGE}), DONE),
        (chunk({}, "stop", usage=USAGE), DONE),
        (
            chunk({"content": "a"}, usage={"prompt_tokens": 5, "completion_tokens": 1}),
            chunk({}, "stop", usage=USAGE),
        ),
        (chunk({}, "stop", x_groq={"usage": USAGE}), DONE),
        (STOP, chunk({}, usage=USAGE), DONE),
        (event({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop", "usage": USAGE}]}), DONE),
        (chunk({}, "stop", usage=USAGE), event({"id": "c1", "choices": [], "moderation": {}}), DONE),
    ],
    ids=["own chunk", "last chunk", "every chunk", "groq", "litellm", "moonshot", "a chunk after it"],
)
def test_usage_wherever_it_is(chunks: tuple[bytes, ...]):
    assert (usage_in(*chunks)["input_tokens"], usage_in(*chunks)["output_tokens"]) == (5, 7)


def test_no_usage_is_none():
    assert usage_in(said("a"), STOP, DONE) is None


def test_usage_comes_just_before_the_end_of_a_failed_answer_too():
    found = deltas_of(chunk({"content": "a"}, usage=USAGE))
    assert found[-2] == UsageReported(Usage(input_tokens=5, output_tokens=7))


def test_reasoning_counted_beside_the_output_is_told_as_the_wire_does_and_summed_for_the_bill():
    usage = {"prompt_tokens": 291, "completion_tokens": 26, "total_tokens": 513}
    found = usage_in(
        chunk({}, "stop", usage={**usage, "completion_tokens_details": {"reasoning_tokens": 196}})
    )
    assert found["output_tokens"] == 26
    apart = Usage(output_tokens=26, reasoning_tokens=196, reasoning_apart=True)
    assert apart.together() == Usage(output_tokens=222, reasoning_tokens=196)


def test_input_that_only_the_total_counts_is_not_output():
    assert usage_in(chunk({}, "stop", usage={**USAGE, "total_tokens": 400}))["output_tokens"] == 7


def test_cached_and_reasoning_tokens():
    details = {
        "prompt_tokens_details": {"cached_tokens": 3, "cache_write_tokens": 1},
        "completion_tokens_details": {"reasoning_tokens": 2},
    }
    assert usage_in(chunk({}, "stop", usage={**USAGE, **details})) == {
        "input_tokens": 5,
        "output_tokens": 7,
        "cached_tokens": 3,
        "cache_write_tokens": 1,
        "reasoning_tokens": 2,
    }
    assert usage_in(chunk({}, "stop", usage={**USAGE, "prompt_cache_hit_tokens": 4}))["cached_tokens"] == 4


@pytest.mark.parametrize("odd", [{"prompt_tokens": "x"}, {"prompt_tokens": -1}, {"prompt_tokens": True}, {}])
def test_usage_that_counts_nothing_is_no_usage(odd: dict[str, Any]):
    assert usage_in(chunk({}, "stop", usage=odd), DONE) is None


# --- errors inside a stream of status 200 ---------------------------------------------------------


def test_an_error_object_ends_the_answer_even_after_a_finish_reason():
    error = error_of(said("a"), chunk({}, "length"), event({"error": {"message": "boom", "code": 502}}), DONE)
    assert (error.detail, error.upstream_code, error.status) == ("boom", 502, 502)
    assert isinstance(error, ProviderOverloaded)


def test_an_error_object_beside_choices():
    error = error_of(chunk({"content": ""}, "error", error={"message": "boom", "code": 400}))
    assert isinstance(error, ProviderRejected)


def test_an_error_inside_a_choice():
    odd = event({"choices": [{"index": 0, "delta": {}, "error": {"message": "boom", "code": 429}}]})
    assert isinstance(error_of(odd), ProviderOverloaded)


def test_an_event_named_error():
    body = {"error": {"message": "bad call", "code": "tool_use_failed", "type": "invalid_request_error"}}
    assert error_of(said("a"), event(body, name="error")).upstream_code == "tool_use_failed"
    assert error_of(event({"message": "bad"}, name="error")).detail == "bad"
    assert error_of(event('"just words"', name="error")).detail == "just words"


def test_an_error_field_of_the_stream():
    body = (
        b'error: {"code":400,"message":"the request exceeds the available context size"}\n\ndata: [DONE]\n\n'
    )
    error = error_of(body)
    assert isinstance(error, ProviderRejected)
    assert str(error) == "The conversation is longer than this model can read."


def test_codes_as_texts_and_statuses_in_the_body():
    error = error_of(event({"error": {"message": "x", "type": None, "param": None, "code": "429"}}))
    assert (error.status, error.retryable) == (429, True)
    error = error_of(event({"error": {"message": "x", "http_status_code": 422}}))
    assert (error.status, error.retryable) == (422, False)


def test_a_note_in_the_stream_is_no_error():
    assert chat(event({"message": "still thinking"}), said("a"), STOP, DONE)["text"] == "a"
    assert error_of(event({"message": "no", "code": "InvalidApiKey"})).upstream_code == "InvalidApiKey"


def test_a_finish_reason_error_without_more():
    assert isinstance(error_of(said("a"), chunk({}, "error"), DONE), ProviderOverloaded)


def test_an_error_in_json_with_status_200():
    error = error_of(b'{"error": {"message": "quota", "code": "insufficient_quota"}}')
    assert isinstance(error, ProviderRejected)
    assert not error.retryable
