"""What was written in a run: read for showing only behind an open gate."""

from collections.abc import Iterator
from typing import Any, Final

from django.template.defaultfilters import filesizeformat
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from msgspec import Struct

from chat.admin.wire import head, indented, is_error, verbatim
from chat.exceptions import ChatError
from chat.llm.deltas import (
    Delta,
    Failed,
    Finished,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    ToolArgumentsDelta,
    ToolCallStarted,
)
from chat.llm.dialects.registry import DIALECTS
from chat.models import ModelCall, Run, ToolInvocation, WireRecord

MOST_RECORDS: Final = 10
MOST_PIECES: Final = 20_000
CHUNK_BYTES: Final = 512
"""The dialect is fed in small pieces, as a stream comes."""


class Exchange(Struct, frozen=True):
    """One attempt as it went over the wire. `pieces` are what the replay shows."""

    title: str
    key: str
    size: str
    request: SafeString
    response: SafeString
    pieces: list[dict[str, str]]
    milliseconds: int
    """How long it had streamed: times of single pieces are not kept."""
    trouble: str = ""

    @property
    def pieces_id(self) -> str:
        return f"pieces-{self.key}"


class Said(Struct, frozen=True):
    """A part of the answer, or of a tool's doing."""

    title: str
    text: SafeString


class Contents(Struct, frozen=True):
    said: list[Said]
    exchanges: list[Exchange]
    left_out: int


def contents_of(run: Run) -> Contents:
    records = list(WireRecord.objects.filter(run=run).order_by("created_at", "pk")[: MOST_RECORDS + 1])
    calls = {call.pk: call for call in ModelCall.objects.filter(pk__in=[record.pk for record in records])}
    shown = records[:MOST_RECORDS]
    exchanges = [_exchange(record, calls.get(record.pk)) for record in shown]
    return Contents(list(_said(run)), exchanges, max(0, run.wire_records.count() - MOST_RECORDS))


def _said(run: Run) -> Iterator[Said]:
    for title, message in ((_("Question"), run.message.parent), (_("Answer"), run.message)):
        if message is not None and message.text:
            yield Said(title, verbatim(message.text))
    for tool in ToolInvocation.objects.filter(run=run).order_by("step", "position")[:MOST_RECORDS]:
        yield Said(_("%(tool)s: arguments") % {"tool": tool.name}, verbatim(tool.arguments))
        if tool.edited_arguments:
            yield Said(_("%(tool)s: as edited") % {"tool": tool.name}, verbatim(tool.edited_arguments))
        if tool.result:
            yield Said(_("%(tool)s: result") % {"tool": tool.name}, verbatim(tool.result))


def _exchange(record: WireRecord, call: ModelCall | None) -> Exchange:
    pieces, trouble = pieces_of(record)
    request = f"{head(record.request_headers)}\n\n{indented(record.request_body())}"
    response = f"{head(record.response_headers)}\n\n{record.response_body().decode('utf-8', 'replace')}"
    return Exchange(
        title=str(record),
        key=str(record.pk),
        size=str(filesizeformat(record.response_bytes)),
        request=verbatim(request),
        response=verbatim(response, _("Truncated.") if record.truncated else ""),
        pieces=pieces,
        milliseconds=streamed_ms(call),
        trouble=trouble,
    )


def streamed_ms(call: ModelCall | None) -> int:
    if call is None or call.duration_ms is None:
        return 0
    return max(0, call.duration_ms - (call.ttft_ms or 0))


def pieces_of(record: WireRecord) -> tuple[list[dict[str, str]], str]:
    """What the dialect makes of the recorded bytes now, delta by delta; and why there is no more of it."""
    dialect = DIALECTS.get(record.dialect)
    if dialect is None or record.http_status is None or is_error(record):
        return [], _("There was no answer to replay.")
    pieces: list[dict[str, str]] = []
    body, decoder = record.response_body(), dialect.decoder()
    try:
        for at in range(0, len(body), CHUNK_BYTES):
            _add(pieces, decoder.feed(body[at : at + CHUNK_BYTES]))
        _add(pieces, decoder.close())
    except ChatError as error:
        return pieces, str(error)
    except Exception as error:  # noqa: BLE001  (that it breaks on these bytes is what the record is for)
        return pieces, f"{type(error).__name__}: {error}"
    return pieces[:MOST_PIECES], ""


def _add(pieces: list[dict[str, str]], deltas: Any) -> None:
    for delta in deltas:
        if (piece := _piece(delta)) is not None and len(pieces) < MOST_PIECES:
            pieces.append(piece)


def _piece(delta: Delta) -> dict[str, str] | None:
    match delta:
        case TextDelta(text=text) | RefusalDelta(text=text):
            return {"kind": "text", "text": text}
        case ReasoningDelta(text=text):
            return {"kind": "reasoning", "text": text}
        case ToolCallStarted(name=name):
            return {"kind": "tool", "text": f"{name} "}
        case ToolArgumentsDelta(text=text):
            return {"kind": "tool", "text": text}
        case Finished(reason=reason):
            return {"kind": "end", "text": f"[{reason}]"}
        case Failed(error=error):
            return {"kind": "end", "text": f"[{error.code}]"}
        case _:
            return None
