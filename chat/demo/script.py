"""What the demo upstream says, apart from how a protocol writes it: requests in, steps out."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from chat.demo.pictures import Picture


@dataclass(frozen=True)
class DeclaredTool:
    """`parameters` is a JSON schema, `{}` where the request gave none."""

    name: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True)
class ToolAnswer:
    """What a tool gave back, and the name of the tool that was called."""

    name: str
    text: str


@dataclass(frozen=True)
class DemoRequest:
    """What a script needs to know of a request, whatever protocol it came in.

    `prompt` is the text of the last user message; `turn` counts the user messages, from 1; `results` are
    those of the calls made since then. `cached_tokens` are those of every message before the last one, as a
    provider's prompt cache would have it. `tool_choice` is `auto`, `none`, `required` or a tool's name.
    `schema` is that of the wanted JSON answer. `conversation` is the raw one, to tell conversations apart.
    """

    model: str
    prompt: str
    turn: int = 1
    pictures: tuple[Picture, ...] = ()
    tools: tuple[DeclaredTool, ...] = ()
    tool_choice: str = "auto"
    results: tuple[ToolAnswer, ...] = ()
    schema: Mapping[str, Any] | None = None
    stream: bool = False
    include_usage: bool = False
    include_encrypted_reasoning: bool = False
    obfuscate: bool = True
    max_output_tokens: int | None = None
    input_tokens: int = 0
    cached_tokens: int = 0
    conversation: Any = field(default=None, compare=False, repr=False)


# --- what is said: each but `Call` is one delta and counts as one token ---------------------------


@dataclass(frozen=True)
class Say:
    text: str


@dataclass(frozen=True)
class Think:
    text: str


@dataclass(frozen=True)
class Decline:
    """A piece of the model's refusal to answer."""

    text: str


@dataclass(frozen=True)
class Call:
    """A tool call begins; the `Arguments` after it are its own."""

    name: str


@dataclass(frozen=True)
class Arguments:
    """A fragment of the JSON of the last call's arguments."""

    text: str


Delta = Say | Think | Decline | Arguments
Spoken = Delta | Call

# --- what goes wrong ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Cut:
    """The connection breaks here, without a word."""


@dataclass(frozen=True)
class Stop:
    """The body ends here as if it were whole, without the protocol's end."""


@dataclass(frozen=True)
class Hang:
    """The connection stays open and nothing comes any more."""


@dataclass(frozen=True)
class Drip:
    """The connection stays open and nothing but signs of life come any more."""


@dataclass(frozen=True)
class Garbage:
    """Something that is no JSON stands where an event should."""


@dataclass(frozen=True)
class Complain:
    """The protocol's error event, inside an answer that began well. It is the last event."""


@dataclass(frozen=True)
class HugeLine:
    """One event over the 16 MB that anybody should read."""


Trouble = Cut | Stop | Hang | Drip | Garbage | Complain | HugeLine
Step = Spoken | Trouble

NOT_UTF8 = "\ue0ff"
"""Written as bytes that are not UTF-8."""


@dataclass(frozen=True)
class Finish:
    """The answer is whole; `reason` is `stop`, `length`, `tool_calls` or `refusal`."""

    reason: str


# --- answers --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Pace:
    """Delta i is due `first_ms` + i / `per_second` after the request; 0 a second = as fast as it can."""

    per_second: float
    first_ms: float

    def due_seconds(self, index: int) -> float:
        return self.first_ms / 1000 + (index / self.per_second if self.per_second else 0.0)


@dataclass(frozen=True)
class Delivery:
    """How the answer goes over HTTP, where that is not the usual way."""

    late_head: bool = False
    mislabelled: bool = False
    close_delimited: bool = False
    no_opening: bool = False
    finishes_twice: bool = False
    unlimited: bool = False


@dataclass(frozen=True)
class Script:
    pace: Pace
    steps: Iterable[Step]
    delivery: Delivery = field(default_factory=Delivery)


@dataclass(frozen=True)
class Refuse:
    """An HTTP error instead of an answer. `reason` is `` (what the status says) or `quota`."""

    status: int
    message: str
    headers: Mapping[str, str] = field(default_factory=dict)
    reason: str = ""


@dataclass(frozen=True)
class Canned:
    """A body that is none of the protocol's."""

    status: int
    content_type: str
    body: bytes


@dataclass(frozen=True)
class HangUp:
    """The connection is closed instead of an answer."""


Play = Script | Refuse | Canned | HangUp


class BadRequest(Exception):
    """The request's body is not what the protocol asks for; the text says what is wrong."""
