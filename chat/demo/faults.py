"""What can go wrong with a provider, by name: 30 faults, each with the outcome a client has to end in.

docs/demo.md repeats the table, and a test compares them. How they are asked for: chat.demo.asking.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from chat.demo.script import (
    NOT_UTF8,
    Canned,
    Complain,
    Cut,
    Delivery,
    Drip,
    Garbage,
    Hang,
    HangUp,
    HugeLine,
    Refuse,
    Say,
    Step,
    Stop,
)

ANSWERED: Final = "answered"
"""The outcome of faults that a client has to shrug off: the whole answer arrives."""

SOME_DELTAS: Final = 12
"""A fault in mid-stream comes after these, so that there is something to keep."""

BAD_GATEWAY_PAGE: Final = b"<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"
SIGN_IN_PAGE: Final = b"<!DOCTYPE html><html><body><h1>Welcome to this network</h1></body></html>"


@dataclass(frozen=True)
class Disturb:
    """The answer is made and then spoilt: after some deltas (or at once) by a step, or in its delivery.

    `resumes`: the rest of the answer follows the step. `in_arguments`: the answer is a tool call.
    """

    step: Step | None = None
    at_once: bool = False
    resumes: bool = False
    in_arguments: bool = False
    endless: bool = False
    delivery: Delivery = field(default_factory=Delivery)


@dataclass(frozen=True)
class Fault:
    """`outcome` is what a streaming client has to end in: `answered`, or an error's code in chat.exceptions.

    `phase` says which deadline ends it, of those that end in `provider_timeout`. `outcome_whole` differs
    where an answer in one piece (`stream: false`) cannot show the same.
    """

    name: str
    does: str
    outcome: str
    act: Refuse | Canned | HangUp | Disturb
    phase: str = ""
    outcome_whole: str = ""

    @property
    def code_whole(self) -> str:
        return self.outcome_whole or self.outcome


def _status(
    name: str,
    does: str,
    outcome: str,
    message: str,
    headers: Mapping[str, str] | None = None,
    reason: str = "",
) -> Fault:
    return Fault(name, does, outcome, Refuse(int(name[:3]), message, headers or {}, reason))


_HTTP = (
    _status("400", "HTTP 400", "provider_rejected", "This request is refused because you asked for it."),
    _status(
        "401",
        "HTTP 401, the key is wrong",
        "provider_auth",
        "Incorrect API key provided. Any key will do, but you asked for this refusal.",
    ),
    _status(
        "402-quota",
        "HTTP 402, no credit left",
        "provider_rejected",
        "Insufficient credits. You asked for it.",
        reason="quota",
    ),
    _status(
        "429",
        "HTTP 429 with Retry-After: 2",
        "provider_overloaded",
        "Rate limit reached because you asked for it. Please try again in 2 s.",
        {"Retry-After": "2"},
    ),
    _status(
        "429-ms",
        "HTTP 429 with retry-after-ms: 250",
        "provider_overloaded",
        "Rate limit reached because you asked for it. Please try again in 250 ms.",
        {"retry-after-ms": "250"},
    ),
    _status(
        "429-long",
        "HTTP 429 with Retry-After: 3600",
        "provider_overloaded",
        "Rate limit reached because you asked for it. Please try again in an hour.",
        {"Retry-After": "3600"},
    ),
    _status(
        "429-quota",
        "HTTP 429, the quota is used up: waiting does not help",
        "provider_rejected",
        "You exceeded your current quota, please check your plan and billing details.",
        reason="quota",
    ),
    _status("500", "HTTP 500", "provider_overloaded", "The server had an error because you asked for one."),
    Fault(
        "502-html",
        "HTTP 502 with a web page",
        "provider_overloaded",
        Canned(502, "text/html", BAD_GATEWAY_PAGE),
    ),
    _status(
        "503",
        "HTTP 503 with Retry-After: 2",
        "provider_overloaded",
        "The engine is overloaded because you asked for it.",
        {"Retry-After": "2"},
    ),
    _status("529", "HTTP 529, overloaded", "provider_overloaded", "Overloaded.", {"Retry-After": "2"}),
)

_SILENCE = (
    Fault("refuse", "the connection is closed before the head of an answer", "provider_cut", HangUp()),
    Fault(
        "slow-head",
        "the head of the answer comes after 180 s",
        "provider_timeout",
        Disturb(delivery=Delivery(late_head=True)),
        phase="first_token",
    ),
    Fault(
        "hang-first",
        "the stream opens and is silent for ever",
        "provider_timeout",
        Disturb(Hang(), at_once=True),
        phase="first_token",
    ),
    Fault("hang", "some deltas, then silence for ever", "provider_timeout", Disturb(Hang()), phase="idle"),
    Fault(
        "drip",
        "the stream opens, then one keep-alive a second for ever",
        "provider_timeout",
        Disturb(Drip(), at_once=True),
        phase="first_token",
    ),
    Fault(
        "endless",
        "deltas for ever, whatever the limit of tokens",
        "provider_timeout",
        Disturb(endless=True, delivery=Delivery(unlimited=True)),
        phase="total",
    ),
)

_CUTS = (
    Fault("cut", "some deltas, then the connection breaks", "provider_cut", Disturb(Cut())),
    Fault(
        "cut-clean",
        "some deltas, then the body ends as if whole, without the protocol's end (no length, no chunks)",
        "provider_cut",
        Disturb(Stop(), delivery=Delivery(close_delimited=True)),
        outcome_whole="provider_garbage",
    ),
    Fault(
        "cut-in-arguments",
        "the connection breaks inside the arguments of a tool call, which must not be run",
        "provider_cut",
        Disturb(Cut(), in_arguments=True),
    ),
)

_CONTENT = (
    Fault("garbage", "an event that is no JSON", "provider_garbage", Disturb(Garbage(), resumes=True)),
    Fault(
        "garbage-json",
        "a body of valid JSON that is no answer",
        "provider_garbage",
        Canned(200, "application/json", b'{"status": "ok", "uptime": 12345}'),
    ),
    Fault("html-200", "HTTP 200 with a web page", "provider_garbage", Canned(200, "text/html", SIGN_IN_PAGE)),
    Fault(
        "empty-200",
        "HTTP 200, an event stream of no bytes",
        "provider_garbage",
        Canned(200, "text/event-stream", b""),
    ),
    Fault(
        "error-first",
        "the protocol's error as the first event of HTTP 200",
        "provider_overloaded",
        Disturb(Complain(), at_once=True, delivery=Delivery(no_opening=True)),
    ),
    Fault(
        "error-mid",
        "some deltas, then the protocol's error event",
        "provider_overloaded",
        Disturb(Complain()),
    ),
    Fault(
        "huge-line",
        "some deltas, then a line of 17 MB",
        "provider_garbage",
        Disturb(HugeLine(), resumes=True),
    ),
    Fault(
        "bad-utf8",
        "bytes in the text that are not UTF-8",
        ANSWERED,
        Disturb(Say(NOT_UTF8), resumes=True),
    ),
    Fault(
        "wrong-content-type",
        "a good answer labelled as something else",
        ANSWERED,
        Disturb(delivery=Delivery(mislabelled=True)),
    ),
    Fault(
        "duplicate-finish", "the end is said twice", ANSWERED, Disturb(delivery=Delivery(finishes_twice=True))
    ),
)

FAULTS: Final[Mapping[str, Fault]] = MappingProxyType(
    {fault.name: fault for fault in (*_HTTP, *_SILENCE, *_CUTS, *_CONTENT)}
)
_OUTCOMES = {"403": "provider_auth", "408": "provider_overloaded", "409": "provider_overloaded"}


def fault_named(name: str) -> Fault:
    """Of the table, or any other status by its number."""
    known = FAULTS.get(name)
    if known is not None:
        return known
    headers = {"Retry-After": "2"} if name in ("503", "529") else {}
    outcome = _OUTCOMES.get(name, "provider_overloaded" if name >= "500" else "provider_rejected")
    return _status(name, f"HTTP {name}", outcome, f"You asked for the status {name}.", headers)
