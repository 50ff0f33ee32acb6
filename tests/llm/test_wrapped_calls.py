"""Calls inside of a call."""

import pytest

from chat.llm.deltas import ToolCallReady
from chat.llm.wrapped_calls import unwrapped

USE = '{"recipient_name": "functions.f", "parameters": {"a": "ä"}}'


def wrapper(arguments: str, name: str = "multi_tool_use.parallel") -> ToolCallReady:
    return ToolCallReady(3, "x", name, arguments)


@pytest.mark.parametrize("name", ["multi_tool_use.parallel", "parallel"])
def test_a_wrapper_stands_for_the_calls_in_it(name: str):
    calls = unwrapped(wrapper(f'{{"tool_uses": [{USE}, {{"recipient_name": "g"}}]}}', name), {"f"})
    assert calls == [ToolCallReady(3, "x_1", "f", '{"a": "ä"}'), ToolCallReady(3, "x_2", "g", "{}")]


def test_a_tool_that_is_called_so_is_itself():
    call = wrapper(f'{{"tool_uses": [{USE}]}}', "parallel")
    assert unwrapped(call, {"parallel"}) == [call]


def test_any_other_call_is_itself():
    call = wrapper(f'{{"tool_uses": [{USE}]}}', "f")
    assert unwrapped(call, set()) == [call]


@pytest.mark.parametrize(
    "arguments",
    [
        "{",
        "[]",
        "{}",
        '{"tool_uses": []}',
        '{"tool_uses": 1}',
        '{"tool_uses": [1]}',
        '{"tool_uses": [{"recipient_name": 1}]}',
        f'{{"tool_uses": [{USE}, {{"recipient_name": "g", "parameters": "x"}}]}}',
    ],
)
def test_a_wrapper_that_cannot_be_read_is_left_as_it_is(arguments: str):
    assert unwrapped(wrapper(arguments), set()) == [wrapper(arguments)]
