"""Which tools a message asks for."""

import pytest

from chat.demo.calls import MAX_CALLS, WantedCall, wanted_calls
from chat.demo.script import DeclaredTool, DemoRequest, ToolAnswer


def tool(name, **properties):
    required = list(properties)[:1]
    return DeclaredTool(name, {"type": "object", "properties": properties, "required": required})


STRING = {"type": "string"}
WEATHER = tool("get_weather", city=STRING, unit={"type": "string", "enum": ["c", "f"]})
TOOLS = (
    WEATHER,
    tool("current_time", timezone=STRING),
    tool("calculate", expression=STRING),
    tool("query_order", order_id=STRING),
    tool("search_conversations", query=STRING),
    tool("search_database", query=STRING),
    tool("get_stock_price", symbol=STRING),
)


def calls(prompt, tools=TOOLS, **more):
    request = DemoRequest(model="demo", prompt=prompt, tools=tools, **more)
    return [(call.name, call.arguments) for call in wanted_calls(request)]


@pytest.mark.parametrize(
    ("prompt", "asked"),
    [
        ("weather in Berlin?", [("get_weather", '{"city": "Berlin"}')]),
        (
            "How is the weather in New York, Köln and 东京 today",
            [("get_weather", f'{{"city": "{city}"}}') for city in ("New York", "Köln", "东京")],
        ),
        ("weather in Oslo, please", [("get_weather", '{"city": "Oslo"}')]),
        ("weather in rome", [("get_weather", '{"city": "rome"}')]),
        ("what time is it in Tokyo?", [("current_time", '{"timezone": "Tokyo"}')]),
        ("What is 17 * (23 + 4)?", [("calculate", '{"expression": "17 * (23 + 4)"}')]),
        ("where is ORD-20240131-AB12C", [("query_order", '{"order_id": "ORD-20240131-AB12C"}')]),
        ("search for red lamps.", [("search_database", '{"query": "red lamps"}')]),
        ("search my conversations for red lamps.", [("search_conversations", '{"query": "red lamps"}')]),
        ("Which of my chats was about lamps?", [("search_conversations", '{"query": "lamps"}')]),
        (
            "stock price of ACME and XYZ",
            [("get_stock_price", f'{{"symbol": "{s}"}}') for s in ("ACME", "XYZ")],
        ),
        (
            "weather in Rome. And 1+1?",
            [("get_weather", '{"city": "Rome"}'), ("calculate", '{"expression": "1+1"}')],
        ),
        ("hello", []),
        ("the weather is nice", []),
    ],
)
def test_words_ask_for_the_tool_with_that_in_its_name(prompt, asked):
    assert calls(prompt) == asked


def test_a_tool_that_is_not_declared_is_not_called():
    assert calls("weather in Berlin", tools=TOOLS[1:]) == []
    assert calls("weather in Berlin and call:get_weather", tools=()) == []


def test_a_call_by_name_takes_the_json_as_written():
    assert calls('call:get_weather {"city":  "Ulm"} call:calculate {"expression": "1+1"}') == [
        ("get_weather", '{"city":  "Ulm"}'),
        ("calculate", '{"expression": "1+1"}'),
    ]


@pytest.mark.parametrize(
    "prompt", ["call:get_weather", "please call:get_weather.", "call:get_weather {broken"]
)
def test_a_call_by_name_without_json_makes_arguments_up(prompt):
    assert calls(prompt) == [("get_weather", '{"city": "demo", "unit": "c"}')]


def test_the_same_call_is_made_once():
    assert calls("call:calculate {} call:calculate {}") == [("calculate", "{}")]


def test_results_are_answered_not_asked_for_again():
    assert calls("weather in Rome", results=(ToolAnswer("get_weather", "warm"),)) == []


def test_a_forced_tool_is_called_with_what_the_words_say():
    assert calls("weather in Rome and 1+1", tool_choice="calculate") == [
        ("calculate", '{"expression": "1+1"}')
    ]


def test_there_is_an_end_to_it():
    prompt = "weather in " + ", ".join(f"City{number}" for number in range(100))
    assert len(calls(prompt)) == MAX_CALLS


def test_a_tool_without_parameters_is_called_with_none():
    request = DemoRequest(model="demo", prompt="what time is it", tools=(DeclaredTool("time", {}),))
    assert wanted_calls(request) == [WantedCall("time", "{}")]
