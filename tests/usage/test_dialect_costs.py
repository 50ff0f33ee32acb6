"""From what each kind of provider counts to what it bills: tokens that stand inside or beside others count once."""

from decimal import Decimal
from typing import Any

import pytest

from chat.llm.deltas import UsageReported
from chat.llm.dialects.openai_usage import usage_of
from chat.usage.pricing import PriceList, cost_of
from tests.llm.wire import dialect, event, read

PRICE = PriceList(
    Decimal(10), Decimal(100), cached_input=Decimal(1), cache_write=Decimal(20), reasoning=Decimal(1000)
)


@pytest.mark.parametrize(
    ("said", "cost"),
    [
        # OpenAI: cached within the prompt, reasoning within the completion. 60 × 10 + 40 × 1 + 20 × 100 + 30 × 1000
        (
            {
                "prompt_tokens": 100,
                "completion_tokens": 50,
                "total_tokens": 150,
                "prompt_tokens_details": {"cached_tokens": 40},
                "completion_tokens_details": {"reasoning_tokens": 30},
            },
            "0.032640",
        ),
        # DeepSeek's name for cached ones. 60 × 10 + 40 × 1 + 50 × 100
        (
            {
                "prompt_tokens": 100,
                "completion_tokens": 50,
                "total_tokens": 150,
                "prompt_cache_hit_tokens": 40,
            },
            "0.005640",
        ),
        # OpenRouter and others that tell of what went into the cache. 50 × 10 + 40 × 1 + 10 × 20 + 50 × 100
        (
            {
                "prompt_tokens": 100,
                "completion_tokens": 50,
                "prompt_tokens_details": {"cached_tokens": 40, "cache_write_tokens": 10},
            },
            "0.005740",
        ),
        # xAI: reasoning beside the completion. 100 × 10 + 20 × 100 + 30 × 1000
        (
            {
                "prompt_tokens": 100,
                "completion_tokens": 20,
                "total_tokens": 150,
                "completion_tokens_details": {"reasoning_tokens": 30},
            },
            "0.033000",
        ),
        # Gemini: thoughts in the total alone. The same
        ({"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 150}, "0.033000"),
        # Responses' names. 60 × 10 + 40 × 1 + 20 × 100 + 30 × 1000
        (
            {
                "input_tokens": 100,
                "output_tokens": 50,
                "total_tokens": 150,
                "input_tokens_details": {"cached_tokens": 40},
                "output_tokens_details": {"reasoning_tokens": 30},
            },
            "0.032640",
        ),
    ],
)
def test_openais_two_protocols(said: dict[str, Any], cost: str):
    usage = usage_of(said)

    assert usage is not None
    assert cost_of(usage, PRICE) == Decimal(cost)
    assert cost_of(usage.together(), PRICE) == Decimal(cost)


def test_a_total_without_anything_beside_it_says_nothing_new():
    usage = usage_of({"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120})

    assert usage is not None
    assert (usage.reasoning_tokens, usage.output_tokens) == (None, 20)


def test_anthropics_fresh_cached_and_newly_cached_input_are_beside_each_other():
    """50 fresh × 10 + 40 cached × 1 + 10 written × 20 + 20 × 100"""
    counts = {"input_tokens": 50, "cache_read_input_tokens": 40, "cache_creation_input_tokens": 10}
    message = {
        "id": "m",
        "type": "message",
        "role": "assistant",
        "content": [],
        "model": "c",
        "usage": counts,
    }
    end = {"delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 20}}

    deltas = read(
        dialect("anthropic_messages").decoder(),
        [
            event({"type": "message_start", "message": message}, "message_start"),
            event({"type": "message_delta", **end}, "message_delta"),
            event({"type": "message_stop"}, "message_stop"),
        ],
    )

    [usage] = [delta.usage for delta in deltas if isinstance(delta, UsageReported)]
    assert (usage.input_tokens, usage.cached_tokens, usage.cache_write_tokens) == (100, 40, 10)
    assert cost_of(usage, PRICE) == Decimal("0.002740")
