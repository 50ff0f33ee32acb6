"""Tool invocations over REST: how one stands, deciding about it, and answering one that the caller runs itself."""

from datetime import datetime
from typing import Any, Literal, cast
from uuid import UUID

from django.http import HttpRequest
from ninja import Router, Schema

from chat import wiring
from chat.actions.invocations import answer, decide, visible
from chat.api.auth import needs
from chat.engine.loop import read_arguments
from chat.exceptions import InvalidRequest
from chat.models import Attachment, ToolInvocation, User
from chat.models.tokens import TokenScope

router = Router(tags=["invocations"])


class FileOut(Schema):
    """To be had at `/attachments/{attachment}`."""

    attachment: UUID
    name: str
    media_type: str
    size: int

    @staticmethod
    def resolve_attachment(row: Attachment) -> UUID:
        return row.pk


class InvocationOut(Schema):
    """`waits_for`: `approval`, `callback`, `client`, or empty. `edited_arguments`: null where they are the model's."""

    id: UUID
    run: UUID
    conversation: UUID
    step: int
    name: str
    kind: str
    arguments: Any
    edited_arguments: Any
    status: str
    waits_for: str
    attempts: int
    fraction: float | None
    note: str
    result: str
    decision: str
    reason: str
    created_at: datetime
    started_at: datetime | None
    deadline_at: datetime | None
    decided_at: datetime | None
    finished_at: datetime | None
    files: list[FileOut]

    @staticmethod
    def resolve_files(invocation: ToolInvocation) -> list[Attachment]:
        return Attachment.objects.of_results([invocation.pk]).get(invocation.pk, [])

    @staticmethod
    def resolve_run(invocation: ToolInvocation) -> UUID:
        return invocation.run_id

    @staticmethod
    def resolve_conversation(invocation: ToolInvocation) -> UUID:
        return invocation.conversation_id

    @staticmethod
    def resolve_arguments(invocation: ToolInvocation) -> Any:
        return read_arguments(invocation.arguments)

    @staticmethod
    def resolve_edited_arguments(invocation: ToolInvocation) -> Any:
        return read_arguments(invocation.edited_arguments) if invocation.edited_arguments else None


class DecisionIn(Schema):
    """`arguments` replace the model's, where an approval has some."""

    model_config = {"extra": "forbid"}  # noqa: RUF012  (pydantic's way)

    decision: Literal["approve", "reject"]
    arguments: dict[str, Any] | None = None
    reason: str = ""


class ResultIn(Schema):
    """Either of both."""

    model_config = {"extra": "forbid"}  # noqa: RUF012

    result: Any = None
    error: str | None = None


@router.get("/{key}", response=InvocationOut, auth=needs(TokenScope.RUNS_READ))
def read(request: HttpRequest, key: UUID) -> ToolInvocation:
    return visible(cast(User, request.user), key)


@router.post("/{key}/decision", response=InvocationOut, auth=needs(TokenScope.TOOLS_DECIDE))
def decision(request: HttpRequest, key: UUID, body: DecisionIn) -> ToolInvocation:
    return decide(
        cast(User, request.user),
        key,
        body.decision,
        wiring.runtime(),
        arguments=body.arguments,
        reason=body.reason,
    )


@router.post("/{key}/result", response=InvocationOut, auth=needs(TokenScope.TOOLS_DECIDE))
def result(request: HttpRequest, key: UUID, body: ResultIn) -> ToolInvocation:
    given = body.model_fields_set
    if ("result" in given) == (body.error is not None):
        raise InvalidRequest("Give a result, or an error in words.", field="result")
    return answer(cast(User, request.user), key, wiring.runtime(), result=body.result, error=body.error)
