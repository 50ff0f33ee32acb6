"""The contract of a dialect: bytes in, deltas out, no I/O.

A dialect is shared by all calls and holds no state; a decoder belongs to one HTTP answer.
"""

from collections.abc import Mapping
from typing import Protocol

from msgspec import Struct

from chat.exceptions import ProviderError
from chat.llm.deltas import Delta
from chat.llm.messages import ModelRequest


class WireRequest(Struct, frozen=True):
    """`path` is appended to the provider's base URL; `body` is the encoded JSON."""

    path: str
    headers: Mapping[str, str]
    body: bytes
    dropped: tuple[str, ...] = ()
    """What the user had set or attached and the model refuses, so that it is not in the body: names of `Options`'
    fields, `tools`, `images`, `files`."""


class Decoder(Protocol):
    """Reads one answer with a status below 400, streamed or not.

    `feed` takes the body's bytes however they are cut. After the last one exactly one of these is called:
    `close` at a clean end of the body, `abort` when the line broke. Both end the deltas with exactly one
    `Finished` or `Failed`, unless `feed` already did; afterwards all three return nothing.
    A decoder that has ended may still be fed: it ignores the bytes.
    """

    @property
    def ended(self) -> bool:
        """A `Finished` or `Failed` has been returned."""

    @property
    def whole(self) -> bool:
        """Nothing of the answer is missing, though its usage or an error may still come: not to be waited for long.

        True also when it has ended."""

    def feed(self, data: bytes) -> list[Delta]: ...

    def close(self) -> list[Delta]: ...

    def abort(self, reason: str = "") -> list[Delta]: ...


class Dialect(Protocol):
    name: str

    def build(self, request: ModelRequest, *, api_key: str) -> WireRequest:
        """The request as this protocol wants it, with the authorisation headers."""

    def decoder(self, *, content_type: str = "") -> Decoder:
        """A fresh decoder. The content type is a hint only: the first bytes decide."""

    def read_error(self, status: int, headers: Mapping[str, str], body: bytes) -> ProviderError:
        """What an answer with a status of 400 or above says, as an error with `retry_after_seconds`."""
