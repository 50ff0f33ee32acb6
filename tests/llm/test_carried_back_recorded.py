"""What recorded answers hold that has to go back, read without our decoders, is in the next request to the letter."""

import json
from typing import Any

import pytest

from tests.llm import corpus
from tests.llm.carrying import next_body


def recorded_blocks(data: bytes) -> list[dict[str, Any]]:
    """The content blocks of a recorded Messages stream, put together without our decoder."""
    blocks: dict[int, dict[str, Any]] = {}
    inputs: dict[int, str] = {}
    for value in payloads(data):
        index = value.get("index", 0)
        if value.get("type") == "message_start":
            blocks |= dict(enumerate(value["message"]["content"]))
        if value.get("type") == "content_block_start":
            blocks[index] = dict(value["content_block"])
        elif value.get("type") == "content_block_delta":
            delta = value["delta"]
            if delta["type"] == "input_json_delta":
                inputs[index] = inputs.get(index, "") + delta["partial_json"]
            for name in ("text", "thinking"):
                if name in delta:
                    blocks[index][name] = blocks[index].get(name, "") + delta[name]
            for name in ("signature", "content"):
                if name in delta:
                    blocks[index][name] = delta[name]
    for index, text in inputs.items():
        if text:
            blocks[index]["input"] = json.loads(text)
    return [blocks[index] for index in sorted(blocks)]


def payloads(data: bytes) -> list[dict[str, Any]]:
    lines = [
        line[5:].strip() for line in data.replace(b"\r\n", b"\n").split(b"\n") if line.startswith(b"data:")
    ]
    values = [json.loads(line) for line in lines if line.startswith(b"{")]
    return [value for value in values if isinstance(value, dict)]


def told(blocks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Neighbouring texts as one, without citations and blanks; calls and thoughts to the letter."""
    found: list[dict[str, Any]] = []
    for item in blocks:
        if item["type"] == "text":
            if found and found[-1]["type"] == "text":
                found[-1] = {"type": "text", "text": found[-1]["text"] + item["text"]}
            elif item["text"].strip():
                found.append({"type": "text", "text": item["text"]})
        elif item["type"] == "tool_use" and item.get("caller") == {"type": "direct"}:
            found.append({name: value for name, value in item.items() if name != "caller"})
        else:
            found.append(item)
    return found


def carries(name: str) -> bool:
    data = corpus.bytes_of(name)
    marks = (b'"signature_delta"', b'"redacted_thinking"', b'"server_tool_use"', b'"mcp_tool_use"')
    return any(mark in data for mark in marks) and b'"message_stop"' in data


@corpus.needs_corpus
@pytest.mark.corpus
@pytest.mark.parametrize("name", [name for name in corpus.streams("anthropic") if carries(name)])
def test_recorded_thoughts_and_searches_go_back_to_the_letter(name: str):
    data = corpus.bytes_of(name)
    blocks = recorded_blocks(data)
    asked = {block.get("id") for block in blocks}
    expected = told(
        [
            block
            for block in blocks
            if block.get("tool_use_id") in (None, *asked)  # else an earlier answer has asked for it
            and (block["type"] != "thinking" or block["signature"])
        ]
    )
    if expected and expected[-1]["type"] == "text":
        expected[-1] = {"type": "text", "text": expected[-1]["text"].rstrip()}
    assert told(next_body("anthropic_messages", data)["messages"][1]["content"]) == expected


def encrypts(name: str) -> bool:
    done = (
        event for event in payloads(corpus.bytes_of(name)) if event.get("type") == "response.output_item.done"
    )
    return any(event["item"].get("encrypted_content") for event in done)


@corpus.needs_corpus
@pytest.mark.corpus
@pytest.mark.parametrize("name", [name for name in corpus.streams("responses") if encrypts(name)])
def test_recorded_encrypted_reasoning_goes_back_with_the_item_that_followed(name: str):
    events = payloads(corpus.bytes_of(name))
    items = [event["item"] for event in events if event.get("type") == "response.output_item.done"]
    while items[-1]["type"] == "reasoning":  # OpenRouter's came behind the message
        items.pop()
    sent = next_body("openai_responses", corpus.bytes_of(name), results=False)["input"][1:]
    sent = [item for item in sent if not item.get("type", "").endswith("_output")]
    assert [item.get("type", "message") for item in sent] == [item["type"] for item in items]
    for theirs, ours in zip(items, sent, strict=True):
        if theirs["type"] == "reasoning":
            assert ours == {
                key: value for key, value in theirs.items() if key != "status" and value is not None
            }
