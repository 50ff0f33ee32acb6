"""Text fit for storage: PostgreSQL refuses U+0000, and UTF-8 has no lone surrogates."""

from typing import Any


def clean(text: str) -> str:
    """The text with U+FFFD for NUL and for surrogates without their other half; halves are joined."""
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text.replace("\x00", "\ufffd") if "\x00" in text else text


def clean_json(value: Any) -> Any:
    """The same for every string in a decoded JSON value."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, list):
        return [clean_json(item) for item in value]
    if isinstance(value, dict):
        return {clean(name): clean_json(item) for name, item in value.items()}
    return value


class TextJoiner:
    """Cleans one text that comes in fragments: a surrogate pair may be cut between two of them."""

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held = ""

    def add(self, fragment: str) -> str:
        """What can be shown now; maybe nothing yet."""
        if fragment.isascii() and not self._held and "\x00" not in fragment:
            return fragment
        fragment = self._held + fragment
        self._held = ""
        if fragment and "\ud800" <= fragment[-1] <= "\udbff":
            self._held = fragment[-1]
            fragment = fragment[:-1]
        return clean(fragment)

    def rest(self) -> str:
        """What never found its other half."""
        held, self._held = self._held, ""
        return clean(held)


class GrowingText:
    """A text that comes in fragments, and maybe once more as a whole at its end."""

    __slots__ = ("_joiner", "_pieces")

    def __init__(self) -> None:
        self._joiner = TextJoiner()
        self._pieces: list[str] = []

    @property
    def text(self) -> str:
        """All that was shown so far."""
        if len(self._pieces) > 1:
            self._pieces = ["".join(self._pieces)]
        return self._pieces[0] if self._pieces else ""

    def add(self, fragment: str) -> str:
        """What can be shown now."""
        shown = self._joiner.add(fragment)
        if shown:
            self._pieces.append(shown)
        return shown

    def rest(self) -> str:
        """What was held back; nothing more will come."""
        shown = self._joiner.rest()
        if shown:
            self._pieces.append(shown)
        return shown

    def complete(self, whole: str) -> str | None:
        """What is left to show of the whole; None if it contradicts what was shown, and is taken over."""
        whole = clean(whole)
        shown = self.text
        self._joiner = TextJoiner()
        self._pieces = [whole]
        return whole[len(shown) :] if whole.startswith(shown) else None
