"""From what a tool returns to what a model reads."""

from typing import Any, Final

import msgspec

MOST_RESULT_BYTES: Final = 1_048_576
"""That are kept of one result, whoever brings it."""
_NOTE_BYTES: Final = 80
"""The longest note of what was cut off."""


def as_text(result: Any) -> str:
    """A text stays, everything else becomes JSON. No NUL and no half of a surrogate pair: databases refuse them.

    Raises:
        TypeError: it cannot be said in JSON.
    """
    text = result if isinstance(result, str) else msgspec.json.encode(result).decode()
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")


def shortened(text: str, most_bytes: int) -> str:
    """At most so many bytes of UTF-8, cut between two characters, and saying so at its end."""
    whole = text.encode()
    if len(whole) <= most_bytes:
        return text
    kept = whole[: most_bytes - _NOTE_BYTES].decode("utf-8", "ignore")
    return f"{kept}\n[shortened to {len(kept.encode())} of {len(whole)} bytes]"
