"""What the script says is what our decoders read, in every protocol."""

import json
import struct

import httpx
import pytest

from chat.demo.playbook import play_for
from chat.demo.script import Arguments, Call, Decline, Say, Script, Think
from chat.demo.writers import WRITERS
from chat.llm.deltas import ReasoningDelta, RefusalDelta, Started, ToolCallReady
from chat.llm.dialects.registry import DIALECTS
from chat.llm.messages import (
    ChatMessage,
    ImagePart,
    ModelRequest,
    Options,
    ReasoningPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
    ToolSchema,
)
from tests.demo.reading import ask, asking
from tests.interop.asking import GET_TIME, GET_WEATHER

PNG_640_480 = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", 640, 480)
CITY = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "people": {"type": "integer"}},
    "required": ["name", "people"],
    "additionalProperties": False,
}

both_ways = pytest.mark.parametrize("stream", [True, False])


def script_of(dialect, request):
    """What the demo upstream makes of the very bytes that the dialect builds."""
    writer = next(writer for writer in WRITERS if writer.dialect == dialect)
    wire = DIALECTS[dialect].build(request, api_key="any key")
    play = play_for(writer.read(json.loads(wire.body)))
    assert isinstance(play, Script)
    return list(play.steps)


def said(steps, kind):
    return "".join(step.text for step in steps if isinstance(step, kind))


def refusal(heard):
    return "".join(delta.text for delta in heard.deltas if isinstance(delta, RefusalDelta))


@both_ways
@pytest.mark.parametrize("prompt", ["hello", "think", "unicode", "long", "中文", "refuse"])
async def test_the_answer_is_the_script(upstream, dialect, prompt, stream):
    request = asking(prompt, "demo", stream=stream, options=Options(max_output_tokens=40))
    steps = script_of(dialect, request)[:40]
    heard = await ask(upstream, dialect, request)
    assert heard.error is None
    assert heard.ends == 1
    assert heard.text == said(steps, Say)
    assert heard.reasoning == said(steps, Think)
    assert refusal(heard) == said(steps, Decline)


@both_ways
async def test_numbered_words_arrive_whole_with_their_usage(upstream, dialect, stream):
    heard = await ask(upstream, dialect, asking("go", "demo-n300-r0-d0", stream=stream))
    assert heard.text == "".join(f"w{index} " for index in range(300))
    assert heard.finish_reason == "stop"
    assert heard.usage is not None
    assert heard.usage.output_tokens == 300
    assert heard.usage.input_tokens == 1


@both_ways
async def test_earlier_messages_are_counted_as_cached_within_the_input(upstream, dialect, stream):
    talk = (
        ChatMessage("user", (TextPart("a" * 400),)),
        ChatMessage("assistant", (TextPart("b" * 400),)),
        ChatMessage("user", (TextPart("go"),)),
    )
    heard = await ask(upstream, dialect, ModelRequest(model="demo-n1-r0-d0", messages=talk, stream=stream))
    assert heard.usage is not None
    assert (heard.usage.input_tokens, heard.usage.cached_tokens) == (203, 202)


@both_ways
async def test_reasoning_tokens_are_counted_within_the_output(upstream, dialect, stream):
    request = asking("think", "demo", stream=stream)
    steps = script_of(dialect, request)
    heard = await ask(upstream, dialect, request)
    assert heard.usage is not None
    assert heard.usage.output_tokens == len(steps)
    assert heard.usage.reasoning_tokens == sum(isinstance(step, Think) for step in steps)


@both_ways
async def test_parallel_calls_arrive_apart(upstream, dialect, stream):
    request = asking("weather in Berlin and Paris?", "demo", tools=(GET_WEATHER, GET_TIME), stream=stream)
    heard = await ask(upstream, dialect, request)
    assert [(name, json.loads(arguments)) for name, arguments in heard.calls] == [
        ("get_weather", {"city": "Berlin"}),
        ("get_weather", {"city": "Paris"}),
    ]
    assert heard.text == "Let me look that up. "
    assert heard.finish_reason == "tool_calls"
    ready = [delta.id for delta in heard.deltas if isinstance(delta, ToolCallReady)]
    assert len(set(ready)) == 2
    assert heard.usage is not None
    spoken = [step for step in script_of(dialect, request) if not isinstance(step, Call)]
    assert heard.usage.output_tokens == len(spoken)


async def test_arguments_come_in_fragments(upstream, dialect):
    request = asking('call:get_weather {"city": "Wien – naïve \\"x\\""}', "demo", tools=(GET_WEATHER,))
    heard = await ask(upstream, dialect, request)
    assert heard.calls == [("get_weather", '{"city": "Wien – naïve \\"x\\""}')]
    assert sum(isinstance(step, Arguments) for step in script_of(dialect, request)) > 3


@pytest.mark.parametrize("choice", ["required", "get_time"])
async def test_a_forced_tool_is_called_without_words(upstream, dialect, choice):
    tools = (GET_TIME,) if choice == "required" else (GET_WEATHER, GET_TIME)
    heard = await ask(
        upstream, dialect, asking("hello", "demo", tools=tools, options=Options(tool_choice=choice))
    )
    assert [name for name, _ in heard.calls] == ["get_time"]
    assert heard.text == ""


async def test_tools_that_are_forbidden_are_not_called(upstream, dialect):
    request = asking("weather in Rome", "demo", tools=(GET_WEATHER,), options=Options(tool_choice="none"))
    assert (await ask(upstream, dialect, request)).calls == []


@both_ways
async def test_after_the_results_it_answers_with_them(upstream, dialect, stream):
    calls = tuple(ToolCallPart(f"call_{city}", "get_weather", f'{{"city":"{city}"}}') for city in ("A", "B"))
    results = (ToolResultPart("call_A", "21 °C"), ToolResultPart("call_B", "5 °C"))
    messages = (
        ChatMessage("user", (TextPart("weather in A and B"),)),
        ChatMessage("assistant", (ReasoningPart("hm"), *calls)),
        ChatMessage("user", results),
    )
    request = ModelRequest(model="demo", messages=messages, tools=(GET_WEATHER,), stream=stream)
    heard = await ask(upstream, dialect, request)
    assert heard.calls == []
    assert "`get_weather` says: 21 °C" in heard.text
    assert "`get_weather` says: 5 °C" in heard.text


async def test_a_new_question_after_results_may_call_again(upstream, dialect):
    messages = (
        ChatMessage("user", (TextPart("weather in Rome"),)),
        ChatMessage("assistant", (ToolCallPart("c1", "get_weather", "{}"), ToolResultPart("c1", "warm"))),
        ChatMessage("assistant", (TextPart("It is warm."),)),
        ChatMessage("user", (TextPart("weather in Oslo"),)),
    )
    request = ModelRequest(model="demo", messages=messages, tools=(GET_WEATHER,))
    assert (await ask(upstream, dialect, request)).calls == [("get_weather", '{"city": "Oslo"}')]


async def test_reasoning_that_has_to_go_back_is_accepted(upstream, dialect):
    """Signatures and encrypted reasoning, carried from the answer into the next request."""
    question = asking(
        "think about the weather in Rome",
        "demo",
        tools=(GET_WEATHER,),
        options=Options(reasoning_effort="low"),
        capabilities=frozenset({"reasoning"}),
    )
    heard = await ask(upstream, dialect, question)
    opaque = [d.opaque for d in heard.deltas if isinstance(d, ReasoningDelta) and d.opaque is not None]
    assert opaque
    ready = next(delta for delta in heard.deltas if isinstance(delta, ToolCallReady))
    parts = (
        ReasoningPart(heard.reasoning, opaque[-1]),
        ToolCallPart(ready.id, ready.name, ready.arguments),
        ToolResultPart(ready.id, "warm"),
    )
    messages = (*question.messages, ChatMessage("assistant", parts))
    again = ModelRequest(model="demo", messages=messages, tools=(GET_WEATHER,))
    assert "says: warm" in (await ask(upstream, dialect, again)).text


@pytest.mark.parametrize(
    ("image", "box"),
    [
        (ImagePart(data=PNG_640_480, media_type="image/png"), "[160, 120, 480, 360]"),
        (ImagePart(url="https://example.com/cat.png"), "[250, 250, 750, 750]"),
    ],
    ids=["bytes", "url"],
)
async def test_an_image_is_described_with_a_box(upstream, dialect, image, box):
    message = ChatMessage("user", (TextPart("What is this?"), image))
    heard = await ask(upstream, dialect, ModelRequest(model="demo", messages=(message,)))
    assert "**one image**" in heard.text
    assert box in heard.text


@both_ways
async def test_the_limit_of_tokens_ends_in_length(upstream, dialect, stream):
    request = asking("go", stream=stream, options=Options(max_output_tokens=20))
    heard = await ask(upstream, dialect, request)
    assert heard.text == "".join(f"w{index} " for index in range(20))
    assert heard.finish_reason == "length"
    assert heard.usage is not None
    assert heard.usage.output_tokens == 20


async def test_a_call_cut_by_the_limit_is_not_ready(upstream, dialect):
    tool = ToolSchema("note", "", {"type": "object", "properties": {"text": {"type": "string"}}})
    words = "x" * 200
    request = asking(
        f'call:note {{"text": "{words}"}}', "demo", tools=(tool,), options=Options(max_output_tokens=20)
    )
    heard = await ask(upstream, dialect, request)
    assert heard.calls == []
    assert heard.finish_reason == "length"


@both_ways
async def test_structured_output_fits_its_schema(upstream, dialect, stream):
    request = asking("a city", "demo", stream=stream, options=Options(response_schema=CITY))
    value = json.loads((await ask(upstream, dialect, request)).text)
    assert value.keys() == {"name", "people"}
    assert isinstance(value["name"], str)
    assert isinstance(value["people"], int)


async def test_a_refusal_ends_as_the_protocol_says_it(upstream, dialect):
    heard = await ask(upstream, dialect, asking("refuse", "demo"))
    assert refusal(heard).startswith("I refuse to answer")
    assert heard.text == ""
    assert heard.finish_reason == ("content_filter" if dialect == "anthropic_messages" else "stop")


async def test_says_who_answers(upstream, dialect):
    first = (await ask(upstream, dialect, asking("go"))).deltas[0]
    assert isinstance(first, Started)
    assert first.model == "demo-n50-r0-d0"
    assert first.upstream_id


async def test_a_result_that_answers_no_call_is_refused(upstream):
    """Our requests never hold one, so this one is written by hand."""
    messages = [{"role": "user", "content": "hi"}, {"role": "tool", "tool_call_id": "c9", "content": "?"}]
    async with httpx.AsyncClient(base_url=upstream.base_url, trust_env=False) as client:
        answer = await client.post("/chat/completions", json={"model": "demo", "messages": messages})
    assert answer.status_code == 400
    assert "c9" in answer.json()["error"]["message"]
