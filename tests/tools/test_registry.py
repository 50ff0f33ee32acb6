"""Which tools there are, and for whom."""

import pytest

from tools.base import Tool, staff_only, tool
from tools.context import Caller
from tools.exceptions import ToolDefinitionError, UnknownTool
from tools.registry import Registry, ToolOverride

ALICE = Caller("alice", frozenset({"sales"}))
ADA = Caller("ada", frozenset(), is_staff=True)


@tool(idempotent=True)
def look(x: int) -> str:
    """Looks."""
    return str(x)


@tool(allowed=staff_only)
def delete() -> str:
    """Deletes."""
    return ""


REGISTRY = Registry([look, delete])


def names(caller: Caller, **overrides: ToolOverride) -> list[str]:
    return [told.name for told in REGISTRY.describe(caller, overrides)]


def test_a_description_is_what_goes_into_a_request():
    (told,) = REGISTRY.describe(ALICE)

    assert (told.name, told.description, told.parameters) == ("look", "Looks.", look.parameters)


def test_the_order_is_that_of_declaration():
    assert names(ADA) == ["look", "delete"]
    assert [known.name for known in REGISTRY] == ["look", "delete"]


def test_who_may_not_use_a_tool_is_not_told_of_it():
    assert names(ALICE) == ["look"]
    with pytest.raises(UnknownTool) as unknown:
        REGISTRY.find("delete", ALICE)
    assert str(unknown.value) == "There is no tool called 'delete'. There are: look."


def test_a_question_for_who_may_use_it_that_breaks_keeps_the_others_there(caplog: pytest.LogCaptureFixture):
    broken = tool(name="broken", description="For a test.", allowed=lambda caller: 1 / 0 > 1)(lambda: "")

    assert [told.name for told in Registry([broken, look]).describe(ALICE)] == ["look"]
    assert "Nobody knows who may use broken" in caplog.text


def test_a_tool_that_was_switched_off_is_not_there():
    off = {"look": ToolOverride(enabled=False)}

    assert names(ADA, **off) == ["delete"]
    with pytest.raises(UnknownTool):
        REGISTRY.find("look", ADA, off)


def test_a_tool_may_be_kept_for_some_groups():
    assert names(ALICE, look=ToolOverride(groups=frozenset({"sales"}))) == ["look"]
    assert names(ALICE, look=ToolOverride(groups=frozenset({"finance"}))) == []


def test_staff_describe_and_limit_a_tool_without_touching_it():
    override = ToolOverride(
        description="Looks closely.", timeout_seconds=5, retries=1, needs_approval=True, max_result_bytes=300
    )

    found = REGISTRY.find("look", ALICE, {"look": override})

    assert (found.description, found.timeout_seconds, found.retries) == ("Looks closely.", 5, 1)
    assert (found.needs_approval, found.max_result_bytes, found(3)) == (True, 300, "3")
    assert REGISTRY.find("look", ALICE).description == "Looks."


def test_nobody_makes_a_tool_repeatable_that_is_not():
    assert REGISTRY.find("delete", ADA, {"delete": ToolOverride(retries=2)}).retries == 0


@pytest.mark.parametrize(
    "override",
    [
        {"timeout_seconds": -1},
        {"timeout_seconds": 0},
        {"retries": 9},
        {"max_result_bytes": 0},
        {"max_result_bytes": 1},
        {"description": "x" * 2000},
    ],
)
def test_an_override_that_makes_no_sense_cannot_be_made(override):
    with pytest.raises(ToolDefinitionError):
        ToolOverride(**override)


def test_a_name_that_is_nearly_right_is_hinted_at():
    with pytest.raises(UnknownTool, match="Did you mean look"):
        REGISTRY.find("lookk", ALICE)


def test_two_tools_of_one_name_are_refused_with_both_places():
    def twin(function_name: str) -> Tool:
        def look() -> str:
            """Looks too."""
            return ""

        look.__qualname__ = function_name
        return tool()(look)

    with pytest.raises(ToolDefinitionError) as refused:
        Registry([twin("here"), twin("there")])

    assert f"{__name__}.here" in str(refused.value)
    assert f"{__name__}.there" in str(refused.value)


def test_the_same_tool_met_twice_is_one():
    assert len(Registry([look, look])) == 1
