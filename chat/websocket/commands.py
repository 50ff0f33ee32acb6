"""What a client may say: a closed set of commands, strictly read."""

from typing import Annotated, Any, ClassVar, Literal
from uuid import UUID

import msgspec
from msgspec import Meta, Struct

from chat.exceptions import BadFrame
from chat.models.tokens import TokenScope


class Options(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """An absent option is the conversation's, then the model's."""

    system: Annotated[str, Meta(max_length=64_000)] | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    max_output_tokens: Annotated[int, Meta(ge=1, le=10_000_000)] | None = None
    reasoning_effort: Annotated[str, Meta(max_length=32)] | None = None
    tools: list[str] | None = None
    client_tools: list[dict[str, Any]] | None = None
    tool_choice: str | None = None
    response_schema: dict[str, Any] | None = None
    stream: bool | None = None


class _Command(Struct, frozen=True, tag_field="type"):
    scope: ClassVar[TokenScope | None] = None
    """What an API token must have been made for; None where nothing is told or changed by it."""

    ref: str | int | None = None


class RunStart(_Command, frozen=True, tag="run.start", kw_only=True):
    scope = TokenScope.RUNS_WRITE

    key: UUID
    models: list[str]
    conversation: UUID | None = None
    parent: UUID | None = None
    content: list[dict[str, Any]] | None = None
    options: Options = Options()


class RunFollow(_Command, frozen=True, tag="run.follow", kw_only=True):
    scope = TokenScope.RUNS_READ

    run: UUID
    after: str | None = None


class RunUnfollow(_Command, frozen=True, tag="run.unfollow", kw_only=True):
    run: UUID


class RunStop(_Command, frozen=True, tag="run.stop", kw_only=True):
    scope = TokenScope.RUNS_WRITE

    run: UUID


class InvocationDecide(_Command, frozen=True, tag="invocation.decide", kw_only=True):
    scope = TokenScope.TOOLS_DECIDE

    invocation: UUID
    decision: Literal["approve", "reject"]
    arguments: dict[str, Any] | None = None
    reason: str = ""


class Ack(_Command, frozen=True, tag="ack", kw_only=True):
    run: UUID
    cursor: str


class Ping(_Command, frozen=True, tag="ping"):
    pass


Command = RunStart | RunFollow | RunUnfollow | RunStop | InvocationDecide | Ack | Ping

_decoder: msgspec.json.Decoder[Command] = msgspec.json.Decoder(Command)
_loose = msgspec.json.Decoder(dict[str, Any])


def decode(frame: str) -> Command:
    """
    Raises:
        BadFrame: it is not one of the commands; the message says where it differs.
    """
    try:
        return _decoder.decode(frame)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise BadFrame(detail=str(error)) from None


def ref_of(frame: str) -> str | int | None:
    """The `ref` of a frame that could not be read as a command, where it has one."""
    try:
        ref = _loose.decode(frame).get("ref")
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    return ref if isinstance(ref, str | int) else None
