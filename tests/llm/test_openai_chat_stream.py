"""Chat completion streams, written by hand: framing, bodies, chunks, reasoning, text."""

import json

import pytest

from chat.exceptions import ProviderGarbage
from chat.llm.deltas import (
    CitationDelta,
    Failed,
    ImageDelta,
    ReasoningDelta,
    Started,
)
from tests.llm.wire import (
    DONE,
    STOP,
    chat,
    chunk,
    deltas_of,
    dialect,
    error_of,
    event,
    facts,
    said,
)

# --- framing --------------------------------------------------------------------------------------


def test_line_separators_inside_a_text_stay_there():
    text = "a\u2028b\u2029c\u0085d"
    raw = said("X").replace(b"X", text.encode())
    assert chat(raw, STOP, DONE)["text"] == text


def test_data_without_a_space():
    assert chat(said("hi").replace(b"data: ", b"data:"), STOP, DONE)["text"] == "hi"


@pytest.mark.parametrize(
    "noise",
    [
        b": OPENROUTER PROCESSING\n\n",
        b"retry: 3000\n\n",
        b"id: 7\n\n",
        b"data:\n\n",
        b"data: : keep-alive\n\n",
    ],
)
def test_noise_between_events_passes_by(noise: bytes):
    assert chat(noise, said("a"), noise, said("b"), noise, STOP, noise, DONE)["text"] == "ab"


def test_one_event_over_several_data_lines():
    value = {"choices": [{"index": 0, "delta": {"content": "hi"}}]}
    raw = json.dumps(value, indent=1).replace("\n", "\ndata: ")
    assert chat(f"data: {raw}\n\n".encode(), STOP, DONE)["text"] == "hi"


def test_done_without_a_line_end():
    assert chat(said("a"), STOP, b"data: [DONE]")["complete"]


def test_characters_cut_between_chunks():
    body = said("X").replace(b"X", "Grüße 😀".encode()) + STOP + DONE
    assert chat(*(body[i : i + 1] for i in range(len(body))))["text"] == "Grüße 😀"


def test_a_very_long_line_is_one_event():
    assert len(chat(said("x" * 2_000_000), STOP, DONE)["text"]) == 2_000_000


# --- what a body of status 200 may be -------------------------------------------------------------


def test_json_lines_are_read_like_events():
    lines = b"".join(part.removeprefix(b"data: ").replace(b"\n\n", b"\n") for part in (said("a"), STOP))
    assert chat(lines)["text"] == "a"
    assert chat(lines)["complete"]


def test_a_whole_answer_instead_of_a_stream():
    call = {"id": "x", "type": "function", "function": {"name": "add", "arguments": '{"a":1}'}}
    message = {
        "role": "assistant",
        "content": "hi",
        "reasoning_content": "hm",
        "tool_calls": [call, {**call, "id": "y"}],
    }
    usage = {"prompt_tokens": 3, "completion_tokens": 4}
    body = {"id": "c", "model": "m", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
    found = chat(json.dumps({**body, "usage": usage}).encode())
    assert (found["text"], found["reasoning"], found["finish_reason"]) == ("hi", "hm", "tool_calls")
    assert [item["id"] for item in found["tool_calls"]] == ["x", "y"]
    assert found["usage"]["output_tokens"] == 4


def test_a_whole_answer_inside_one_event():
    message = {"role": "assistant", "content": "hi"}
    found = chat(event({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}))
    assert (found["text"], found["complete"]) == ("hi", True)


def test_leading_blanks_before_a_json_body_are_skipped():
    assert (
        chat(b"\n \n", b'\n{"choices":[{"message":{"content":"hi"},', b'"finish_reason":"stop"}]}')["text"]
        == "hi"
    )


def test_a_web_page_is_no_answer_and_is_not_shown():
    error = error_of(b"  <!DOCTYPE html><html>secret</html>")
    assert isinstance(error, ProviderGarbage)
    assert "secret" not in error.detail + str(error)


def test_zero_bytes_are_an_error():
    assert isinstance(error_of(), ProviderGarbage)
    assert isinstance(error_of(b"\n\n"), ProviderGarbage)


def test_plain_text_is_no_answer():
    assert isinstance(error_of(b"upstream connect error"), ProviderGarbage)


def test_broken_json_is_no_answer():
    assert isinstance(error_of(b"{malformed json: <<<chaos>>>"), ProviderGarbage)
    assert isinstance(error_of(said("a"), b"data: {broken\n\n", DONE), ProviderGarbage)


@pytest.mark.parametrize(
    "body", [b'{"choices":[]}', b"{}", b"[]", b'{"choices":null}', b'{"choices":{"a":1}}']
)
def test_an_answer_without_choices_is_an_error(body: bytes):
    assert not chat(body)["complete"]


def test_json_nested_too_deeply_is_no_crash():
    deep = b'data: {"choices":' + b"[" * 100_000 + b"\n\n"
    assert isinstance(error_of(said("a"), deep), ProviderGarbage)
    assert isinstance(error_of(b"[" * 100_000), ProviderGarbage)


def test_a_stream_over_its_limit_fails_with_what_had_arrived():
    found = chat(said("a"), b"data: {" + b"x" * 17_000_000)
    assert (found["text"], found["complete"]) == ("a", False)
    assert found["error"]["kind"] == "provider_garbage"


def test_a_whole_answer_over_its_limit_is_not_kept():
    decoder = dialect("openai_chat").decoder()
    for _ in range(16):
        assert decoder.feed(b'{"a":"' + b"x" * 1_000_000) == []
    last = decoder.feed(b"x" * 1_000_000)[-1]
    assert isinstance(last, Failed)
    assert (last.error.code, last.error.detail) == ("provider_garbage", "the body is over its limit")
    assert decoder.close() == []


# --- chunks ---------------------------------------------------------------------------------------


def test_azure_begins_with_a_chunk_without_choices_id_and_model():
    first = event({"choices": [], "id": "", "model": "", "object": "", "prompt_filter_results": [{}]})
    found = deltas_of(first, said("a"), event({"choices": [{"index": 0, "finish_reason": None}]}), STOP, DONE)
    assert found[0] == Started("c1", "m")
    assert facts(found)["text"] == "a"


def test_object_may_be_missing_and_ids_may_vary():
    odd = [event({"id": str(i), "choices": [{"delta": {"content": str(i)}}]}) for i in range(3)]
    assert chat(*odd, STOP, DONE)["text"] == "012"


def test_only_the_first_choice_is_read():
    other = event({"choices": [{"index": 1, "delta": {"content": "no"}, "finish_reason": "length"}]})
    found = chat(other, said("yes"), other, STOP, other, DONE)
    assert (found["text"], found["finish_reason"]) == ("yes", "stop")


def test_a_message_beside_the_delta_is_not_read():
    both = {"index": 0, "delta": {"content": "b"}, "message": {"content": "ab"}}
    assert chat(said("a"), event({"choices": [both]}), STOP)["text"] == "ab"


def test_logprobs_in_odd_shapes_pass_by():
    odd = event({"choices": [{"index": 0, "delta": {"content": "a"}, "logprobs": [1, "x", {"y": None}]}]})
    assert chat(odd, STOP, DONE)["text"] == "a"


@pytest.mark.parametrize("value", ["null", '"text"', "7", "[]", "true"])
def test_events_that_are_no_objects_pass_by(value: str):
    assert chat(said("a"), event(value), STOP, DONE)["text"] == "a"


def test_fields_of_the_wrong_type_are_read_as_far_as_they_can_be():
    odd = {
        "id": 7,
        "model": ["m"],
        "usage": "none",
        "choices": [{"index": "0", "delta": {"content": "a", "refusal": 1}}],
    }
    assert chat(event(odd), STOP, DONE)["text"] == "a"


def test_text_as_a_list_of_parts():
    parts = [
        {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
        {"type": "thinking", "thinking": "!"},
        {"type": "text", "text": "hi"},
        {"type": "reference", "reference_ids": [1]},
    ]
    found = chat(chunk({"content": parts}), STOP, DONE)
    assert (found["text"], found["reasoning"]) == ("hi", "hm!")


def test_a_refusal_is_no_text():
    found = chat(chunk({"refusal": "I "}), chunk({"refusal": "won't"}), chunk({"refusal": ""}), STOP, DONE)
    assert (found["refusal"], found["text"], found["finish_reason"]) == ("I won't", "", "stop")


# --- reasoning ------------------------------------------------------------------------------------


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_reasoning_under_each_of_its_names(field: str):
    assert chat(chunk({field: "a"}), chunk({field: "b", "content": ""}), STOP, DONE)["reasoning"] == "ab"


def test_reasoning_under_two_names_is_read_once():
    assert chat(chunk({"reasoning_content": "a", "reasoning": "a"}), STOP, DONE)["reasoning"] == "a"


def test_reasoning_details_alone_are_shown_and_carried_back():
    first = {"type": "reasoning.text", "text": "a", "index": 0}
    found = deltas_of(
        chunk({"reasoning_details": [first]}),
        chunk({"reasoning_details": [{**first, "text": "b", "signature": "s"}]}),
        chunk({"reasoning_details": [{"type": "reasoning.encrypted", "data": "e", "index": 1}]}),
        STOP,
        DONE,
    )
    assert facts(found)["reasoning"] == "ab"
    opaque = [delta.opaque for delta in found if isinstance(delta, ReasoningDelta) and delta.opaque]
    assert opaque == [
        {
            "dialect": "openai_chat",
            "field": "",
            "details": [
                {"type": "reasoning.text", "text": "ab", "index": 0, "signature": "s"},
                {"type": "reasoning.encrypted", "data": "e", "index": 1},
            ],
        }
    ]


def test_the_name_of_the_reasoning_field_is_remembered_in_tool_turns():
    call = {"index": 0, "id": "x", "function": {"name": "f", "arguments": "{}"}}
    found = deltas_of(chunk({"reasoning_content": "a"}), chunk({"tool_calls": [call]}), STOP, DONE)
    assert (
        ReasoningDelta("", {"dialect": "openai_chat", "field": "reasoning_content", "details": []}) in found
    )


# --- text fit for storage -------------------------------------------------------------------------


def test_nul_is_replaced():
    assert chat(said("a\x00b"), chunk({"reasoning": "\x00"}), STOP, DONE)["text"] == "a\ufffdb"


def test_a_surrogate_pair_cut_between_fragments_is_joined():
    assert chat(said("a\ud83d"), said("\ude00b"), STOP, DONE)["text"] == "a😀b"


def test_a_lone_surrogate_is_replaced():
    assert chat(said("a\ud83d"), said("b"), said("\ude00"), STOP, DONE)["text"] == "a\ufffdb\ufffd"
    assert chat(said("a\ud83d"), STOP, DONE)["text"] == "a\ufffd"


def test_bytes_that_are_no_utf8_are_replaced():
    assert chat(said("aXb").replace(b"X", b"\xff"), STOP, DONE)["text"] == "a\ufffdb"


# --- rarer parts ----------------------------------------------------------------------------------


def test_citations_as_annotations_and_as_lists():
    note = {
        "type": "url_citation",
        "url_citation": {"url": "https://a", "title": "A", "start_index": 1, "end_index": 2},
    }
    found = deltas_of(chunk({"content": "a", "annotations": [note, {"type": "file"}, 7]}), STOP, DONE)
    assert CitationDelta("https://a", "A", 1, 2) in found
    listed = deltas_of(
        chunk({"content": "a"}, citations=["https://b"]), chunk({}, "stop", citations=["https://b"])
    )
    assert [delta for delta in listed if isinstance(delta, CitationDelta)] == [CitationDelta("https://b", "")]


def test_images_made_by_the_model():
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    assert ImageDelta("image/png", data="AAAA") in deltas_of(chunk({"images": [image]}), STOP, DONE)
