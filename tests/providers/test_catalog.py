"""The bundled table of common models."""

import pytest

from chat.llm import catalog


@pytest.mark.parametrize(
    ("name", "window"),
    [
        ("gpt-4o", 128_000),
        ("gpt-4o-2024-08-06", 128_000),
        ("openai/gpt-4o-mini", 128_000),
        ("claude-sonnet-4-5-20250929", 200_000),
        ("anthropic/claude-sonnet-4.5", 200_000),
        ("Gemini-2.5-Pro", 1_048_576),
        ("grok-4-0709", 256_000),
    ],
)
def test_a_model_is_known_by_the_names_its_sellers_give_it(name: str, window: int):
    entry = catalog.look_up(name)

    assert entry is not None
    assert entry.context_window == window


@pytest.mark.parametrize(
    "name", ["", "/", "llama3.3:70b", "gpt-4o-audio-preview", "my-gpt-4o", "gpt-4o-2024"]
)
def test_other_names_are_not_guessed_at(name: str):
    assert catalog.look_up(name) is None


@pytest.mark.parametrize("name", sorted(catalog.names()))
def test_every_entry_makes_sense(name: str):
    entry = catalog.look_up(name)

    assert entry is not None
    assert 0 < entry.max_output_tokens <= entry.context_window
