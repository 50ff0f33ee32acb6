import json
import time
from pathlib import Path
from typing import Any

import pytest

from chat.actions.invocations import REFUSED, SAID
from chat.models import ToolInvocation
from chat.pages.tool_words import (
    fields_of,
    gist_of,
    offers_again,
    result_text,
    state_icon,
    state_word,
    why_words,
)

FIXTURES = sorted((Path(__file__).parents[1] / "fixtures" / "tool_words").glob("*.json"))


@pytest.mark.parametrize("path", FIXTURES, ids=lambda path: path.stem)
def test_a_call_reads_on_the_server_as_it_read_live(path: Path) -> None:
    fixture: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    call = fixture.pop("call")
    status, waits_for, result = call["status"], call["waits_for"], call["result"]
    fields = fields_of(call["arguments"])
    assert fixture == {
        "word": state_word(status, waits_for),
        "icon": state_icon(status, waits_for),
        "again": offers_again(status),
        "why": why_words(status, waits_for, result),
        "result": result_text(status, result),
        "fields": fields,
        "gist": gist_of(fields),
    }


def test_every_status_there_is_has_its_word():
    told = {json.loads(path.read_text(encoding="utf-8"))["call"]["status"] for path in FIXTURES}
    assert set(ToolInvocation.Status.values) <= told
    assert all(state_word(status, "") != status for status in ToolInvocation.Status.values)


def test_a_rejection_is_told_to_a_person_with_the_reason_and_without_the_words_for_the_model():
    told = why_words("rejected", "", REFUSED + SAID.format(reason="Not before May."))
    assert told == "“Not before May.” You said no. It was not run, and the model was told so."
    assert why_words("rejected", "", REFUSED) == "You said no. It was not run, and the model was told so."


@pytest.mark.parametrize(
    ("text", "name"), [("[" * 60_000, "arguments"), ('{"a": [' + "1," * 150_000, "a")], ids=["nested", "long"]
)
def test_half_written_arguments_hold_the_page_up_no_longer_than_their_length_asks_for(
    text: str, name: str
) -> None:
    began = time.process_time()
    fields = fields_of(text)
    assert time.process_time() - began < 2
    assert [field["name"] for field in fields] == [name]
