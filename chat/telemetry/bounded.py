"""Labels whose values are data: bounded, because each value is a series that Prometheus keeps."""

from typing import Final

OTHER: Final = "other"


class Bounded:
    """The first `most` values as they are, whatever comes after them as `other`."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: set[tuple[str, ...]] = set()

    def __call__(self, *value: str) -> tuple[str, ...]:
        if value in self._known:
            return value
        if len(self._known) < self._most:
            self._known.add(value)
            return value
        return (OTHER,) * len(value)
