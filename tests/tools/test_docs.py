"""The tool that docs/tools.md shows is one, and is told to a model as the page says."""

import json
import re
from pathlib import Path
from types import ModuleType

from tools.base import Tool
from tools.context import ToolContext
from tools.discovery import installed, tools_of
from tools.runner import run

PAGE = (Path(__file__).parents[2] / "docs" / "tools.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def shown() -> Tool:
    module = ModuleType("llm_tools_of_the_docs")
    exec(blocks("python")[0], vars(module))  # noqa: S102  (our own page)
    (found,) = tools_of(module, "docs/tools.md")
    return found


def test_the_example_runs():
    told: list[tuple[float | None, str]] = []

    outcome = run(
        shown(), '{"weight_kg": 2, "speed": "express"}', ToolContext(report=lambda *what: told.append(what))
    )

    assert (outcome.status, outcome.text) == ("succeeded", '{"amount":"18.00","currency":"EUR"}')
    assert told == [(0.5, "weighing")]
    assert run(shown(), '{"weight_kg": 2, "country": "Austria"}', ToolContext()).kind == "retry"


def test_the_example_has_the_schema_that_is_shown():
    assert shown().parameters == json.loads(blocks("json")[0])


def test_the_example_refuses_as_is_shown():
    said = run(shown(), '{"weight_kg": 70, "sped": "express"}', ToolContext()).text

    assert said == blocks("text")[0].strip()


def test_every_built_in_tool_is_listed_with_its_parameters():
    listed = dict(re.findall(r"^\| `(\w+)\(([\w, ]*)\)` \|", PAGE, re.MULTILINE))
    ours = [known for known in installed() if known.place.startswith(("tools.", "chat."))]

    assert listed == {known.name: ", ".join(known.parameters["properties"]) for known in ours}
