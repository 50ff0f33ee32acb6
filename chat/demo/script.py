"""What the demo upstream says, apart from how a protocol writes it: requests in, steps out."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class DemoRequest:
    """What a script needs to know of a request, whatever protocol it came in.

    `prompt` is the text of the last user message; `turn` counts the user messages, from 1.
    `cached_tokens` are those of every message before the last one, as a provider's prompt cache would
    have it.
    """

    model: str
    prompt: str
    turn: int = 1
    images: int = 0
    stream: bool = False
    include_usage: bool = False
    max_output_tokens: int | None = None
    input_tokens: int = 0
    cached_tokens: int = 0


@dataclass(frozen=True)
class Say:
    text: str


@dataclass(frozen=True)
class Think:
    text: str


@dataclass(frozen=True)
class Cut:
    """The connection breaks here, without a word."""


@dataclass(frozen=True)
class Hang:
    """The connection stays open and nothing comes any more."""


@dataclass(frozen=True)
class Garbage:
    """Something that is no JSON stands where an event should."""


Step = Say | Think | Cut | Hang | Garbage


@dataclass(frozen=True)
class Pace:
    """Delta i is due `first_ms` + i / `per_second` after the request; 0 a second = as fast as it can."""

    per_second: float
    first_ms: float

    def due_seconds(self, index: int) -> float:
        return self.first_ms / 1000 + (index / self.per_second if self.per_second else 0.0)


@dataclass(frozen=True)
class Script:
    """An answer. Each `Say` or `Think` is one delta and counts as one token."""

    pace: Pace
    steps: Iterable[Step]


@dataclass(frozen=True)
class Refuse:
    """An HTTP error instead of an answer."""

    status: int
    message: str
    headers: Mapping[str, str] = field(default_factory=dict)


class BadRequest(Exception):
    """The request's body is not what the protocol asks for; the text says what is wrong."""


@dataclass(frozen=True)
class Finish:
    """The answer is whole; `reason` is `stop` or `length`."""

    reason: str
