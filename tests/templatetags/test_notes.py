import json
import re
from pathlib import Path
from typing import Any

import pytest

from chat.pages.names import shared_names
from chat.templatetags.notes import failed_words, limit_words, stopped_words

ROOT = Path(__file__).parents[2]
FIXTURES = sorted((ROOT / "tests" / "fixtures" / "notes").glob("*.json"))


@pytest.mark.parametrize("path", FIXTURES, ids=lambda path: path.stem)
def test_a_note_says_on_the_server_what_it_said_live(path: Path) -> None:
    fixture: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    turn = fixture["turn"] | {"parts": [{"type": "text", "text": fixture["turn"]["text"]}]}
    turn["shared_names"] = shared_names(fixture.get("models", ()))
    staff = fixture.get("staff", False)
    words = {"stopped": stopped_words, "limit_reached": limit_words}
    told = words[turn["status"]](turn) if turn["status"] in words else failed_words(turn, staff)
    assert told == {"strong": fixture["strong"], "rest": fixture["rest"]}


def test_every_error_there_is_has_its_words():
    page = (ROOT / "docs" / "reference" / "errors.md").read_text(encoding="utf-8")
    turns = [json.loads(path.read_text(encoding="utf-8"))["turn"] for path in FIXTURES]
    told = {turn["error"]["code"] for turn in turns if turn["error"]}
    assert told == set(re.findall(r"^\| `(\w+)` \| \d", page, re.MULTILINE))


def test_a_note_of_nothing_is_the_empty_one_that_the_script_fills():
    assert failed_words(None) == {"strong": "The answer failed.", "rest": ""}
    assert stopped_words(None) == {"strong": "Stopped.", "rest": ""}
