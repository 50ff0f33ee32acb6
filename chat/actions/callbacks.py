"""What the server of a webhook tool says about a call: how far it is, and once, what came of it."""

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import structlog
from django.db import IntegrityError, transaction
from msgspec import Struct

from chat.actions.runs import Office
from chat.exceptions import ChatError, NotFound, TooLarge
from chat.models import ToolCallback, ToolInvocation
from chat.webhooks import signing
from chat.webhooks.tool_answers import apply
from chat.webhooks.tool_protocol import (
    MOST_BODY_BYTES,
    Progress,
    Said,
    read_callback,
    read_flat,
)

logger = structlog.get_logger(__name__)

FLAT_MESSAGE: Final = "call_id"
"""What makes the flat form come once: an invocation has one result of it."""
CALLED: Final = (
    "run_id",
    "user_id",
    "conversation_id",
    "webhook_tool__secrets_encrypted",
    "webhook_tool__max_result_bytes",
)
MOST_REFUSALS: Final = 100
"""Kept of one invocation; anybody may send what is refused."""


class Delivered(Struct, frozen=True):
    """A request as it came."""

    body: bytes
    headers: Mapping[str, str]


def receive(key: UUID, request: Delivered, office: Office, *, now: datetime) -> bool:
    """Signed as Standard Webhooks say. False: this message has come before, and has had its effect.

    Raises:
        TooLarge, InvalidRequest: it is not as it has to be.
        BadSignature: not by the tool of this invocation, not now, or not at all.
        NotFound: no such invocation, or it does not wait for this.
        Gone: it has ended, or its time is over.
    """
    invocation = _called(key)
    with _Noted(invocation) as note:
        _check_size(request.body)
        signed = signing.verify(_secrets(invocation, now), request.headers, request.body, now=now.timestamp())
        note.message = signed.id
        said = read_callback(request.body)
        return _apply(invocation, said, office, note)


def receive_flat(request: Delivered, office: Office, *, now: datetime) -> bool:
    """`{call_id, result, error}` with `X-Webhook-Signature: sha256=…` of the body. As `receive`."""
    _check_size(request.body)
    call_id, said = read_flat(request.body)
    try:
        invocation = _called(UUID(call_id))
    except ValueError:
        raise NotFound from None
    with _Noted(invocation) as note:
        given = request.headers.get(signing.BODY_SIGNATURE_HEADER, "")
        signing.verify_body(_secrets(invocation, now), given, request.body)
        note.message = FLAT_MESSAGE
        return _apply(invocation, said, office, note)


class _Noted:
    """Whatever becomes of a request is written down; what is taken, together with its effect."""

    def __init__(self, invocation: ToolInvocation) -> None:
        self._invocation = invocation
        self.message = ""
        self.what = ""

    def __enter__(self) -> "_Noted":
        return self

    def __exit__(self, _kind: Any, error: BaseException | None, _trace: Any) -> None:
        if not isinstance(error, ChatError) or error.http_status >= 500:
            return
        why = error.detail or str(error)
        logger.warning(
            "callback refused", invocation=str(self._invocation.pk), answer=error.http_status, reason=why
        )
        refused = ToolCallback.objects.filter(invocation=self._invocation, accepted=False)
        if refused.count() >= MOST_REFUSALS:
            return
        # Deleted since, there is nothing that it could be kept beside, and the answer is the same.
        with suppress(IntegrityError), transaction.atomic():
            self._row(accepted=False, answer=error.http_status, detail=why[:300]).save(force_insert=True)

    def take(self) -> None:
        """To be called within the transaction of the effect."""
        self._row(accepted=True, answer=200, detail="").save(force_insert=True)
        logger.info("callback taken", invocation=str(self._invocation.pk), what=self.what)

    def was_taken(self) -> bool:
        same = ToolCallback.objects.filter(invocation=self._invocation, message=self.message, accepted=True)
        return same.exists()

    def _row(self, *, accepted: bool, answer: int, detail: str) -> ToolCallback:
        return ToolCallback(
            invocation=self._invocation,
            message=self.message,
            what=self.what,
            accepted=accepted,
            answer=answer,
            detail=detail,
        )


def _called(key: UUID) -> ToolInvocation:
    webhooks = ToolInvocation.objects.filter(pk=key, kind=ToolInvocation.Kind.WEBHOOK)
    # Callbacks come in crowds, and what was asked, or what came of it, may be long.
    invocation = webhooks.select_related("webhook_tool").only(*CALLED).first()
    if invocation is None or invocation.webhook_tool is None:
        raise NotFound
    return invocation


def _secrets(invocation: ToolInvocation, now: datetime) -> list[str]:
    assert invocation.webhook_tool is not None  # noqa: S101  (`_called` has looked)
    return invocation.webhook_tool.secrets_at(now)


def _check_size(body: bytes) -> None:
    if len(body) > MOST_BODY_BYTES:
        raise TooLarge("A callback may have 1 MB at most.")


def _apply(invocation: ToolInvocation, said: Said, office: Office, note: _Noted) -> bool:
    note.what = type(said).__name__.lower()
    return apply(
        invocation,
        said,
        seen=note.was_taken,
        keep=note.take,
        tell=office.tell_invocations,
        told=lambda parked: _tell(office, invocation, said, parked=parked),
    )


def _tell(office: Office, invocation: ToolInvocation, said: Said, *, parked: bool) -> None:
    if not parked:
        office.tool_changed(str(invocation.run_id))
    elif not isinstance(said, Progress):
        office.woken(invocation.run_id)
    else:
        # Nobody makes the run now, so that nobody numbers its events: its viewers are told beside them.
        fields = {
            "invocation": str(invocation.pk),
            "run": str(invocation.run_id),
            "conversation": str(invocation.conversation_id),
            "fraction": said.fraction,
            "note": said.note,
        }
        office.announce(invocation.user_id, "invocation.progress", fields)
