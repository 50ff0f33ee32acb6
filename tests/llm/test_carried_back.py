"""What a provider signed, encrypted or ran goes back as it came: bytes, deltas, parts, and the next request."""

from typing import Any

from chat.llm.messages import Options
from tests.llm.carrying import next_body
from tests.llm.wire import DONE, STOP, chunk, event


def ev(kind: str, **fields: Any) -> bytes:
    return event({"type": kind, **fields}, name=kind)


# --- Messages -------------------------------------------------------------------------------------


def block(index: int, start: dict[str, Any], *deltas: dict[str, Any]) -> bytes:
    inside = b"".join(ev("content_block_delta", index=index, delta=delta) for delta in deltas)
    first = ev("content_block_start", index=index, content_block=start)
    return first + inside + ev("content_block_stop", index=index)


def message(reason: str, *blocks: bytes) -> bytes:
    start = {"id": "msg", "type": "message", "role": "assistant", "model": "m", "content": []}
    end = ev("message_delta", delta={"stop_reason": reason, "stop_sequence": None})
    return ev("message_start", message=start) + b"".join(blocks) + end + ev("message_stop")


def signed(index: int, text: str, signature: str) -> bytes:
    return block(
        index,
        {"type": "thinking", "thinking": "", "signature": ""},
        {"type": "thinking_delta", "thinking": text},
        {"type": "signature_delta", "signature": signature},
    )


def words(index: int, text: str) -> bytes:
    return block(index, {"type": "text", "text": ""}, {"type": "text_delta", "text": text})


def tool_use(index: int, identity: str, arguments: str) -> bytes:
    start = {"type": "tool_use", "id": identity, "name": "add", "input": {}}
    return block(index, start, {"type": "input_json_delta", "partial_json": arguments})


def search(index: int, identity: str = "srvtoolu_1") -> bytes:
    start = {"type": "server_tool_use", "id": identity, "name": "web_search", "input": {}}
    return block(index, start, {"type": "input_json_delta", "partial_json": '{"query":"sums"}'})


FOUND = {
    "type": "web_search_tool_result",
    "tool_use_id": "srvtoolu_1",
    "content": [{"type": "web_search_result", "url": "https://a", "title": "A", "encrypted_content": "Eq"}],
}
SEARCH = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "sums"}}
THINKS = Options(reasoning_effort="low")


def test_signed_and_redacted_thoughts_stand_unchanged_before_their_calls():
    redacted = {"type": "redacted_thinking", "data": "EmwK"}
    body = next_body(
        "anthropic_messages",
        message(
            "tool_use",
            signed(0, "I add them.", "c2ln"),
            block(1, redacted),
            words(2, "Let me see."),
            tool_use(3, "toolu_1", '{"a":1}'),
            tool_use(4, "toolu_2", ""),
        ),
        options=THINKS,
    )
    assert body["messages"][1:] == [
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "I add them.", "signature": "c2ln"},
                redacted,
                {"type": "text", "text": "Let me see."},
                {"type": "tool_use", "id": "toolu_1", "name": "add", "input": {"a": 1}},
                {"type": "tool_use", "id": "toolu_2", "name": "add", "input": {}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "toolu_1", "content": "3"},
                {"type": "tool_result", "tool_use_id": "toolu_2", "content": "3"},
            ],
        },
    ]
    assert body["thinking"]["type"] == "enabled"


def test_two_thoughts_in_a_row_keep_their_signatures_apart():
    stream = message("tool_use", signed(0, "a", "s1"), signed(1, "b", "s2"), tool_use(2, "toolu_1", "{}"))
    assert next_body("anthropic_messages", stream)["messages"][1]["content"][:2] == [
        {"type": "thinking", "thinking": "a", "signature": "s1"},
        {"type": "thinking", "thinking": "b", "signature": "s2"},
    ]


def test_a_thought_without_its_text_is_sent_back_by_its_signature():
    stream = message("tool_use", signed(0, "", "s1"), tool_use(1, "toolu_1", "{}"))
    assert next_body("anthropic_messages", stream)["messages"][1]["content"][0] == {
        "type": "thinking",
        "thinking": "",
        "signature": "s1",
    }


def test_a_step_begun_without_a_thought_goes_on_without_thinking():
    body = next_body("anthropic_messages", message("tool_use", tool_use(0, "toolu_1", "{}")), options=THINKS)
    assert "thinking" not in body
    later = next_body("anthropic_messages", message("end_turn", words(0, "3")), options=THINKS, then="why?")
    assert later["thinking"]["type"] == "enabled"


def test_a_paused_turn_is_sent_back_as_it_is():
    stream = message(
        "pause_turn",
        signed(0, "hm", "s1"),
        words(1, "I look."),
        search(2),
        block(3, FOUND),
        search(4, "srvtoolu_2"),
    )
    body = next_body("anthropic_messages", stream)
    assert body["messages"][1:] == [
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "hm", "signature": "s1"},
                {"type": "text", "text": "I look."},
                SEARCH,
                FOUND,
                SEARCH | {"id": "srvtoolu_2"},
            ],
        }
    ]


def test_a_search_that_found_nothing_before_the_user_spoke_again_is_left_out():
    stream = message("pause_turn", words(0, "I look."), search(1), block(2, FOUND), search(3, "srvtoolu_2"))
    body = next_body("anthropic_messages", stream, then="Never mind.")
    assert body["messages"][1]["content"] == [{"type": "text", "text": "I look."}, SEARCH, FOUND]


def test_an_answer_that_broke_off_in_a_thought_does_not_end_in_one():
    stream = message("max_tokens", words(0, "So"), signed(1, "hm", "s1"))
    body = next_body("anthropic_messages", stream, then="go on")
    assert body["messages"][1]["content"] == [{"type": "text", "text": "So"}]


# --- Responses ------------------------------------------------------------------------------------


def item_events(index: int, item: dict[str, Any]) -> bytes:
    return ev("response.output_item.added", output_index=index, item=item) + ev(
        "response.output_item.done", output_index=index, item=item
    )


def response(*items: dict[str, Any]) -> bytes:
    events = b"".join(item_events(index, item) for index, item in enumerate(items))
    return events + ev(
        "response.completed", response={"id": "resp", "status": "completed", "output": list(items)}
    )


def thought(number: int, *summary: str) -> dict[str, Any]:
    texts = [{"type": "summary_text", "text": text} for text in summary]
    return {"id": f"rs_{number}", "type": "reasoning", "summary": texts, "encrypted_content": f"gAAA{number}"}


def function_call(number: int) -> dict[str, Any]:
    return {
        "id": f"fc_{number}",
        "type": "function_call",
        "status": "completed",
        "call_id": f"call_{number}",
        "name": "add",
        "arguments": '{"a":1}',
    }


def said(text: str, **more: Any) -> dict[str, Any]:
    content = [{"type": "output_text", "text": text, "annotations": []}]
    return {
        "id": "msg",
        "type": "message",
        "role": "assistant",
        "status": "completed",
        "content": content,
        **more,
    }


def test_encrypted_reasoning_stands_before_the_item_that_followed_it():
    body = next_body(
        "openai_responses", response(thought(1, "I add", "them."), function_call(1), function_call(2))
    )
    call = {"type": "function_call", "name": "add", "arguments": '{"a":1}'}
    assert body["input"][1:] == [
        thought(1, "I add", "them."),
        call | {"call_id": "call_1"},
        call | {"call_id": "call_2"},
        {"type": "function_call_output", "call_id": "call_1", "output": "3"},
        {"type": "function_call_output", "call_id": "call_2", "output": "3"},
    ]
    assert body["store"] is False


def test_reasoning_before_a_search_goes_back_with_the_search():
    found = {"id": "ws_1", "type": "web_search_call", "status": "completed", "action": {"type": "search"}}
    body = next_body("openai_responses", response(thought(1), found, thought(2), said("3")), then="sure?")
    assert body["input"][1:-1] == [thought(1), found, thought(2), {"role": "assistant", "content": "3"}]


def test_reasoning_that_led_to_a_picture_goes_as_the_picture_does():
    picture = {"id": "ig_1", "type": "image_generation_call", "status": "completed", "result": "AAAA"}
    body = next_body("openai_responses", response(thought(1), picture, said("There.")), then="redder")
    assert body["input"][1:-1] == [{"role": "assistant", "content": "There."}]


def test_what_a_message_was_goes_back_with_it():
    stream = response(said("I look.", phase="commentary"), said("3", phase="final_answer"))
    assert next_body("openai_responses", stream, then="sure?")["input"][1:-1] == [
        {"role": "assistant", "content": "I look.", "phase": "commentary"},
        {"role": "assistant", "content": "3", "phase": "final_answer"},
    ]


def test_a_call_in_free_text_is_answered_as_one():
    custom = {"id": "ctc", "type": "custom_tool_call", "call_id": "c1", "name": "add", "input": "1+2"}
    assert next_body("openai_responses", response(custom))["input"][1:] == [
        {"type": "custom_tool_call", "call_id": "c1", "name": "add", "input": "1+2"},
        {"type": "custom_tool_call_output", "call_id": "c1", "output": "3"},
    ]


def test_who_called_is_said_with_the_call_and_with_its_result():
    caller = {"type": "program", "caller_id": "call_0"}
    sent = next_body("openai_responses", response(function_call(1) | {"caller": caller}))["input"][1:]
    assert [item["caller"] for item in sent] == [caller, caller]


# --- Chat Completions -----------------------------------------------------------------------------


def call(identity: str = "call_1", **more: Any) -> bytes:
    function = {"name": "add", "arguments": '{"a":1}'}
    fragment = {"index": 0, "id": identity, "type": "function", "function": function, **more}
    return chunk({"tool_calls": [fragment]})


def test_geminis_signature_goes_back_on_its_call():
    extra = {"google": {"thought_signature": "CiQB"}}
    body = next_body("openai_chat", call(extra_content=extra), STOP, DONE)
    assert body["messages"][1]["tool_calls"][0]["extra_content"] == extra


def test_openrouters_details_go_back_verbatim_and_in_their_order():
    def details(*items: dict[str, Any]) -> bytes:
        return chunk({"reasoning": "x", "reasoning_details": list(items)})

    text = {"type": "reasoning.text", "format": "anthropic-claude-v1", "index": 0}
    encrypted = {"type": "reasoning.encrypted", "data": "EmwK", "id": "rs_1", "index": 1}
    body = next_body(
        "openai_chat",
        details(text | {"text": "I add "}),
        details(text | {"text": "them."}),
        details(text | {"signature": "c2ln"}),
        details(encrypted),
        call(),
        STOP,
        DONE,
    )
    assert body["messages"][1]["reasoning_details"] == [
        text | {"text": "I add them.", "signature": "c2ln"},
        encrypted,
    ]
    assert not {"reasoning", "reasoning_content"} & set(body["messages"][1])


def test_deepseeks_thoughts_go_back_with_their_call_and_with_nothing_else():
    thinks = chunk({"reasoning_content": "I add "}) + chunk({"reasoning_content": "them."})
    body = next_body("openai_chat", thinks, chunk({"content": "So:"}), call(), STOP, DONE)
    assert body["messages"][1]["reasoning_content"] == "I add them."
    answered = next_body("openai_chat", thinks, chunk({"content": "3"}), STOP, DONE, then="sure?")
    assert answered["messages"][1] == {"role": "assistant", "content": "3"}
