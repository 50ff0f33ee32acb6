"""What a model is told of a function."""

import enum
from datetime import date
from typing import Annotated, Any, Literal, Optional

import pytest
from msgspec import Meta, Struct

from tools.base import Tool, tool
from tools.context import ToolContext
from tools.exceptions import ToolDefinitionError


class Size(enum.Enum):
    SMALL = "small"
    LARGE = "large"


class Line(Struct):
    sku: str
    title: str = ""


class Tree(Struct):
    children: list["Tree"] = []


@tool()
def order_things(
    lines: list[Line],
    size: Size,
    context: ToolContext,
    speed: Literal["slow", "fast"] = "slow",
    day: date | None = None,
    count: Annotated[int, Meta(ge=1, le=9, description="How many of each.")] = 1,
    note: Optional[str] = None,  # noqa: UP045  (people write it)
    labels: dict[str, float] | None = None,
) -> str:
    """Orders things
    from the shop.

    Only on weekdays.

    Args:
        lines: what to order,
            one entry each.
        day: when it should arrive.

    Returns:
        What people read.
    """
    return "ordered"


def properties(of: Tool) -> dict[str, Any]:
    return of.parameters["properties"]


def test_the_name_is_the_functions_and_the_description_ends_before_the_first_section():
    assert order_things.name == "order_things"
    assert order_things.description == "Orders things from the shop.\n\nOnly on weekdays."


def test_what_has_a_default_is_not_required_and_nothing_else_is_accepted():
    assert order_things.parameters["required"] == ["lines", "size"]
    assert order_things.parameters["additionalProperties"] is False
    assert order_things.parameters["type"] == "object"


def test_the_context_is_no_part_of_the_schema():
    assert "context" not in properties(order_things)
    assert order_things.context_parameter == "context"


def test_parameters_are_described_by_the_docstring_and_by_their_annotations():
    assert properties(order_things)["lines"]["description"] == "what to order, one entry each."
    assert properties(order_things)["count"]["description"] == "How many of each."


def test_choices_bounds_and_formats_are_kept():
    shown = properties(order_things)

    assert shown["speed"] == {"type": "string", "enum": ["fast", "slow"], "default": "slow"}
    assert shown["size"] == {"type": "string", "enum": ["large", "small"]}
    assert (shown["count"]["minimum"], shown["count"]["maximum"], shown["count"]["default"]) == (1, 9, 1)
    assert shown["day"]["anyOf"] == [{"type": "string", "format": "date"}, {"type": "null"}]
    assert shown["note"]["anyOf"] == [{"type": "string"}, {"type": "null"}]


def test_nested_objects_are_written_out_and_closed():
    item = properties(order_things)["lines"]["items"]

    assert item == {
        "type": "object",
        "properties": {"sku": {"type": "string"}, "title": {"type": "string", "default": ""}},
        "required": ["sku"],
        "additionalProperties": False,
    }
    assert "$" not in str(order_things.parameters)


def test_a_parameter_may_be_called_title():
    assert "title" in properties(order_things)["lines"]["items"]["properties"]


def test_a_tool_without_parameters_takes_an_empty_object():
    @tool()
    def ping() -> str:
        """Answers."""
        return "pong"

    assert ping.parameters == {
        "type": "object", "properties": {}, "required": [], "additionalProperties": False,
    }  # fmt: skip


def test_a_tool_is_still_a_function():
    assert order_things([], Size.SMALL, ToolContext()) == "ordered"


def untyped(x) -> str:
    """Does it."""
    return ""


def many(*x: int) -> str:
    """Does it."""
    return ""


def silent(x: int) -> str:
    return ""


def misdescribed(x: int) -> str:
    """Does it.

    Args:
        y: not there.
    """
    return ""


def recursive(x: Tree) -> str:
    """Does it."""
    return ""


def foreign(x: type[int]) -> str:
    """Does it."""
    return ""


def shared(x: list[int] = [1]) -> str:  # noqa: B006
    """Does it."""
    return ""


@pytest.mark.parametrize(
    ("function", "why"),
    [
        (untyped, "x has no type"),
        (many, "cannot be given by name"),
        (silent, "no docstring"),
        (misdescribed, "describes y"),
        (recursive, "contains itself"),
        (foreign, "no JSON"),
        (shared, "use a tuple"),
    ],
)
def test_a_function_that_cannot_be_a_tool_is_refused_with_its_place(function: Any, why: str):
    with pytest.raises(ToolDefinitionError) as refused:
        tool()(function)

    assert why in str(refused.value)
    assert f"{__name__}.{function.__name__}" in str(refused.value)


@pytest.mark.parametrize(
    "options",
    [
        {"name": "No Spaces"},
        {"description": "x" * 1025},
        {"timeout_seconds": 0},
        {"idempotent": True, "retries": 3},
        {"retries": 1},
        {"max_result_bytes": 10},
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any]):
    with pytest.raises(ToolDefinitionError):
        tool(**options)(order_things.function)


def test_only_idempotent_tools_are_tried_again():
    assert tool()(order_things.function).retries == 0
    assert tool(idempotent=True)(order_things.function).retries == 2
    assert tool(idempotent=True, retries=1)(order_things.function).retries == 1
