"""Careful looks into JSON that somebody else wrote."""

import json
from typing import Any

from msgspec import Raw


def opened(raw: Raw) -> dict[str, Any]:
    """A member kept undecoded, as an object; empty if it is none."""
    if not raw:
        return {}
    value = json.loads(bytes(raw).decode("utf-8", "replace"))
    return value if isinstance(value, dict) else {}


def listed(value: Any) -> list[dict[str, Any]]:
    """The objects of a list; empty if it is none."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def text_at(value: dict[str, Any], *names: str) -> str:
    """The first of these members that is a text with something in it."""
    return next((value[name] for name in names if isinstance(value.get(name), str) and value[name]), "")


def is_error(kind: str) -> bool:
    """Whether an event's type says that the answer failed; some servers name the error in its place."""
    return kind in ("error", "response.error") or (kind.endswith("_error") and "." not in kind)
