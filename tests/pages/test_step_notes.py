"""Notes of steps in words; the browser's twin runs the same fixtures."""

import json
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import fields

from chat.llm.messages import Options
from chat.pages.names import shared_names
from chat.pages.step_notes import OPTIONS, dropped_words, last_asked, moderated_words, other_model_words

FIXTURES = sorted((Path(__file__).parents[1] / "fixtures" / "step_notes").glob("*.json"))


@pytest.mark.parametrize("path", FIXTURES, ids=lambda path: path.stem)
def test_notes_say_on_the_server_what_they_said_live(path: Path) -> None:
    fixture: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    noted = fixture["notes"], fixture["model"], fixture["status"]
    assert other_model_words(*noted, shared_names(fixture.get("models", ()))) == fixture["other_model"]
    assert dropped_words(*noted) == fixture["dropped"]
    assert moderated_words(*noted) == fixture["moderated"]


def test_every_option_that_can_be_dropped_has_its_words():
    assert set(OPTIONS) == {*(option.name for option in fields(Options)), "tools", "images", "files"}


def test_who_is_asked_now_is_whom_the_last_change_names():
    change = {"kind": "other_model", "model": "q/b", "instead_of": "p/a", "reason": "provider_cut"}
    assert last_asked([], "p/a") == "p/a"
    assert last_asked([change, {"kind": "option_dropped", "model": "q/b", "option": "tools"}], "p/a") == "q/b"
