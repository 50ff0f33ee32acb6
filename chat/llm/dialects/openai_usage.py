"""The token counts of OpenAI's two protocols, in our convention."""

from typing import Any

from chat.llm.deltas import Usage


def usage_of(usage: dict[str, Any]) -> Usage | None:
    """None if it counts nothing.

    xAI counts reasoning apart from the completion (its total shows it); everybody else within. Gemini's thoughts show
    in the total alone, where it says nothing of any part.
    """
    into = _details(usage, "prompt_tokens_details", "input_tokens_details")
    out = _details(usage, "completion_tokens_details", "output_tokens_details")
    prompt = _first(count(usage.get("prompt_tokens")), count(usage.get("input_tokens")))
    completion = _first(count(usage.get("completion_tokens")), count(usage.get("output_tokens")))
    reasoning = count(out.get("reasoning_tokens"))
    total = count(usage.get("total_tokens"))
    apart = False
    if reasoning and prompt is not None and completion is not None and total:
        apart = total - prompt >= completion + reasoning
    elif total and prompt is not None and completion is not None and not into and not out:
        reasoning = (total - prompt - completion) if total > prompt + completion else None
        apart = reasoning is not None
    if prompt is None and completion is None:
        return None
    return Usage(
        input_tokens=prompt,
        output_tokens=completion,
        cached_tokens=_first(count(into.get("cached_tokens")), count(usage.get("prompt_cache_hit_tokens"))),
        cache_write_tokens=count(into.get("cache_write_tokens")),
        reasoning_tokens=reasoning,
        reasoning_apart=apart,
    )


def count(value: Any) -> int | None:
    """A token count, None for what is none. Some servers send floats; more than 2³¹ is a miscount."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if 0 <= value < 2**31 else None


def _details(usage: dict[str, Any], *names: str) -> dict[str, Any]:
    return next((usage[name] for name in names if isinstance(usage.get(name), dict)), {})


def _first(*values: int | None) -> int | None:
    return next((value for value in values if value is not None), None)
