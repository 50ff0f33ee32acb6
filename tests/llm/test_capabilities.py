"""The words that change a request are in the documentation."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
SOURCES = sorted((ROOT / "chat" / "llm" / "dialects").glob("*.py"))
WORDS = sorted(
    {
        word
        for path in SOURCES
        for word in re.findall(r'"(\w+)" (?:not )?in [\w.]*capabilities', path.read_text())
    }
)


def test_there_are_such_words():
    assert {"no_vision", "max_completion_tokens", "adaptive_thinking"} <= set(WORDS)


@pytest.mark.parametrize("word", WORDS)
def test_a_capability_is_documented(word: str):
    assert f"`{word}`" in (ROOT / "docs" / "providers.md").read_text()
