"""What is said between us and the server of a webhook tool, both ways. Pure.

Ours: `POST <tool's URL>` with `{type: "tool.call", invocation, name, arguments, callback_url, deadline}`. Its answer is
`200 {result}`, which ends the call, or `202`, after which it calls back: any number of times with progress, and once
with a result or an error. The older, flat form is `{call_id, result, error}`.
"""

from datetime import datetime
from typing import Any, Final, Literal, TypeVar

import msgspec
from msgspec import UNSET, Struct, UnsetType

from chat.exceptions import InvalidRequest
from chat.llm.dialects.text import clean
from chat.webhooks.payloads import moment
from tools.context import NOTE_CHARACTERS
from tools.exceptions import ToolError, ToolFailed, ToolUnavailable
from tools.results import MOST_RESULT_BYTES

CALL: Final = "tool.call"
MOST_BODY_BYTES: Final = MOST_RESULT_BYTES + 65_536
"""Of an answer or a callback: its result, and what stands around it."""
TRY_LATER: Final = (429, 500, 502, 503, 504)

T = TypeVar("T", bound=Struct)


class Reply(Struct, frozen=True):
    """How a call was answered. `status` None: not at all, and `error` says why, fit for the model."""

    status: int | None = None
    body: str = ""
    error: str = ""
    retry_after_seconds: float | None = None
    duration_ms: int = 0


class Succeeded(Struct, frozen=True):
    result: Any


class Failed(Struct, frozen=True):
    error: str


class Progress(Struct, frozen=True):
    fraction: float | None
    """0 to 1; None: not known."""
    note: str


Said = Succeeded | Failed | Progress


def tool_call(
    *, invocation: str, name: str, arguments: Any, callback_url: str, deadline: datetime
) -> dict[str, Any]:
    return {
        "type": CALL,
        "invocation": invocation,
        "name": name,
        "arguments": arguments,
        "callback_url": callback_url,
        "deadline": moment(deadline),
    }


def read_reply(reply: Reply) -> Succeeded | Failed | None:
    """None: it was taken, and the result comes by a callback.

    Raises:
        ToolUnavailable: nobody answered, or not now; the same call may be made again.
        ToolFailed: the server refused it, or answered what is no answer.
    """
    if reply.status is None:
        raise ToolUnavailable(f"The server that runs this tool did not answer: {reply.error}")
    if reply.status == 202:
        return None
    if reply.status == 200:
        return _said_at_once(reply.body)
    words = f"The server that runs this tool refused the call (HTTP {reply.status})."
    if reply.status in TRY_LATER:
        raise ToolUnavailable(words, retry_after_seconds=reply.retry_after_seconds)
    raise ToolFailed(words)


class _AtOnce(Struct):
    result: Any = UNSET
    error: str | UnsetType | None = UNSET


def _said_at_once(body: str) -> Succeeded | Failed:
    try:
        read = msgspec.json.decode(body, type=_AtOnce)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise ToolFailed(
            "The server that runs this tool answered what is no JSON object with a result."
        ) from None
    if isinstance(read.error, str):
        return Failed(clean(read.error))
    if read.result is UNSET:
        raise ToolFailed('The server that runs this tool answered without a "result".')
    return Succeeded(read.result)


class _Callback(Struct):
    status: Literal["progress", "succeeded", "failed"]
    fraction: float | None = None
    note: str = ""
    result: Any = UNSET
    error: str | UnsetType = UNSET


def read_callback(body: bytes) -> Said:
    """
    Raises:
        InvalidRequest: the words say what is wrong with it.
    """
    read = _decoded(body, _Callback)
    if read.status == "succeeded":
        if read.result is UNSET:
            raise InvalidRequest('A call that succeeded has a "result".', field="result")
        return Succeeded(read.result)
    if read.status == "failed":
        if not isinstance(read.error, str):
            raise InvalidRequest('A call that failed has an "error", in words.', field="error")
        return Failed(clean(read.error))
    if read.fraction is not None and not 0 <= read.fraction <= 1:
        raise InvalidRequest("A fraction is a number from 0 to 1, or null.", field="fraction")
    return Progress(read.fraction, clean(read.note)[:NOTE_CHARACTERS])


class _Flat(Struct):
    call_id: str
    result: Any = UNSET
    error: str | None = None


def read_flat(body: bytes) -> tuple[str, Succeeded | Failed]:
    """The invocation's id, as it is written, and what came of it.

    Raises:
        InvalidRequest: the words say what is wrong with it.
    """
    read = _decoded(body, _Flat)
    if read.error:
        return read.call_id, Failed(clean(read.error))
    if read.result is UNSET:
        raise InvalidRequest('There has to be a "result", or an "error" in words.', field="result")
    return read.call_id, Succeeded(read.result)


def _decoded(body: bytes, form: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=form)
    except msgspec.ValidationError as error:
        raise InvalidRequest(f"The body is not as it has to be: {error}.") from None
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise InvalidRequest("The body is no JSON.") from None


def error_of(failed: Failed) -> ToolError:
    return ToolFailed(failed.error or "The server that runs this tool said that it failed, and not why.")
