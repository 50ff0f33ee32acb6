"""`manage.py replay_stream`."""

import io
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from tests.llm.wire import DONE, STOP, said

STREAM = said("Grüße") + STOP + DONE


def replay(*arguments: str) -> list[dict[str, Any]]:
    out = io.StringIO()
    call_command("replay_stream", "--dialect", "openai_chat", *arguments, stdout=out)
    return [json.loads(line) for line in out.getvalue().splitlines()]


@pytest.fixture
def stream(tmp_path: Path) -> str:
    path = tmp_path / "a.sse"
    path.write_bytes(STREAM)
    return str(path)


def test_one_line_of_facts_for_each_file_in_their_order(stream: str, tmp_path: Path):
    other = tmp_path / "b.sse"
    other.write_bytes(said("b"))
    first, second = replay(stream, str(other))
    assert first == {
        "file": stream,
        "text": "Grüße",
        "reasoning": "",
        "refusal": "",
        "tool_calls": [],
        "finish_reason": "stop",
        "complete": True,
        "usage": None,
        "error": None,
    }
    assert (second["file"], second["complete"], second["finish_reason"]) == (str(other), False, None)


@pytest.mark.parametrize("chunk", ["1", "7", "100000"])
def test_pieces_of_any_size(stream: str, chunk: str):
    assert replay("--chunk", chunk, stream)[0]["text"] == "Grüße"


def test_standard_input(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(STREAM)))
    assert replay("-")[0]["file"] == "-"


def test_an_error_body_with_its_status(tmp_path: Path):
    path = tmp_path / "error.json"
    path.write_text('{"error": {"message": "slow down", "code": "rate_limit_exceeded"}}')
    assert replay("--status", "429", str(path)) == [
        {
            "file": str(path),
            "error": {
                "kind": "provider_overloaded",
                "code": "rate_limit_exceeded",
                "message": "slow down",
                "retryable": True,
            },
        }
    ]


def test_a_file_that_is_not_there_is_one_clear_line(tmp_path: Path):
    with pytest.raises(CommandError, match="cannot be read: No such file"):
        replay(str(tmp_path / "none"))


def test_a_chunk_below_one_byte_is_refused(stream: str):
    with pytest.raises(CommandError, match="at least 1"):
        replay("--chunk", "0", stream)
