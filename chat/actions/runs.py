"""Starting and stopping runs: check, write in one transaction, tell after the commit."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models.functions import Now
from django.utils import timezone
from msgspec import Struct

from chat.engine.history import plan_of
from chat.engine.plan import RunPlan
from chat.exceptions import InvalidRequest, NotFound, TooLarge
from chat.models import Conversation, LanguageModel, Message, Run, User
from chat.models.conversations import Tree, text_of

MESSAGE_BYTES = 131_072
TITLE_CHARACTERS = 60


class Office(Protocol):
    """Where actions tell what they have done. Safe to call from the database's threads."""

    node: UUID

    def launch(self, plan: RunPlan) -> None: ...

    def stop_run(self, run: UUID, asked_at: datetime) -> None: ...

    def announce(self, user: UUID, name: str, fields: dict[str, Any]) -> None:
        """A notice for all of this user's tabs."""


class StartRequest(Struct, frozen=True):
    """`run.start` as it came in (docs/reference/commands.md). `content` None answers or continues `parent`."""

    key: UUID
    models: tuple[str, ...]
    conversation: UUID | None = None
    parent: UUID | None = None
    content: list[dict[str, Any]] | None = None
    options: dict[str, Any] = {}


class StartedRun(Struct, frozen=True):
    run: str
    model: str
    message: str


class Started(Struct, frozen=True):
    """`message` is the user's message; `runs` has one a lane."""

    conversation: str
    message: str
    runs: list[StartedRun]

    @property
    def run(self) -> str:
        return self.runs[0].run


def start_runs(user: User, request: StartRequest, office: Office) -> Started:
    """Stores the message and begins one run a model. The same key twice gives the same runs.

    Raises:
        NotFound: the conversation or the parent is absent or not this user's.
        ModelNotAvailable: a name fits no model.
        InvalidRequest: nothing to answer, or too many lanes.
        TooLarge: the message is longer than 128 kB.
        ProviderAuth: the provider's key cannot be read.
    """
    if earlier := _started_before(user, request.key):
        return earlier
    parts = _checked_content(request.content)
    if not 1 <= len(request.models) <= 4:
        raise InvalidRequest("Choose one to four models.", field="models")
    models = [LanguageModel.objects.available_to(user).named(name) for name in request.models]
    try:
        with transaction.atomic():
            return _start(user, request, parts, models, office)
    except IntegrityError:
        # The same key from two sockets at once: the other one was first.
        if earlier := _started_before(user, request.key):
            return earlier
        raise


def _start(
    user: User,
    request: StartRequest,
    parts: list[dict[str, Any]] | None,
    models: Sequence[LanguageModel],
    office: Office,
) -> Started:
    conversation = _conversation(user, request, parts)
    question = _question(conversation, request, parts)
    runs = []
    for lane, model in enumerate(models):
        answer = Message.objects.create(
            conversation=conversation, parent=question, role=Message.Role.ASSISTANT, model=model.full_name
        )
        runs.append(
            Run.objects.create(
                user=user,
                conversation=conversation,
                message=answer,
                model=model,
                model_name=model.full_name,
                options={**conversation.options, **request.options},
                start_key=request.key,
                lane=lane,
                # Claimed in the same transaction: one write less before the first token.
                status=Run.Status.RUNNING,
                epoch=1,
                node_id=office.node,
                claimed_at=Now(),
            )
        )
    _choose(question, runs[0].message)
    Conversation.objects.filter(pk=conversation.pk).update(updated_at=timezone.now())
    plans = [plan_of(run) for run in runs]
    transaction.on_commit(lambda: _tell(office, user, conversation, question, plans))
    return _answer(conversation, question, runs)


def _tell(
    office: Office, user: User, conversation: Conversation, question: Message, plans: Sequence[RunPlan]
) -> None:
    for plan in plans:
        office.launch(plan)
    for plan in plans:
        fields = {
            "run": plan.run,
            "conversation": str(conversation.pk),
            "title": conversation.title,
            "message": plan.message,
            "user_message": str(question.pk),
        }
        office.announce(user.pk, "run.created", fields)


def stop_run(user: User, run: UUID, office: Office, asked_at: datetime | None = None) -> None:
    """The flag in the row first, then the hint: a rescued run that was stopped stays stopped.

    Raises:
        NotFound: absent or not this user's.
    """
    asked_at = asked_at or timezone.now()
    mine = Run.objects.visible_to(user).filter(pk=run)
    if not mine.request_stop(asked_at) and not mine.exists():
        raise NotFound
    office.stop_run(run, asked_at)


def _conversation(user: User, request: StartRequest, parts: list[dict[str, Any]] | None) -> Conversation:
    if request.conversation is None:
        if parts is None:
            raise InvalidRequest("A new conversation begins with a message.", field="content")
        return Conversation.objects.create(owner=user, title=title_of(parts))
    conversation = Conversation.objects.visible_to(user).filter(pk=request.conversation).first()
    if conversation is None:
        raise NotFound
    return conversation


def _question(
    conversation: Conversation, request: StartRequest, parts: list[dict[str, Any]] | None
) -> Message:
    """The message that is answered: a new one under the parent, or the parent itself."""
    parent = _parent(conversation, request)
    if parts is not None:
        question = Message.objects.create(
            conversation=conversation, parent=parent, role=Message.Role.USER, parts=parts
        )
        _choose(parent, question)
        return question
    if parent is None:
        raise InvalidRequest("There is nothing to answer yet.", field="content")
    if parent.role == Message.Role.ASSISTANT and parent.runs.open().exists():
        raise InvalidRequest("That answer is still being written.", field="parent")
    return parent


def _parent(conversation: Conversation, request: StartRequest) -> Message | None:
    if request.parent is not None:
        parent = conversation.messages.filter(pk=request.parent).first()
        if parent is None:
            raise NotFound
        return parent
    if request.conversation is None:
        return None
    path = Tree(conversation).active_path()
    return conversation.messages.get(pk=path[-1]) if path else None


def _choose(parent: Message | None, child: Message) -> None:
    """The active path takes what was just begun."""
    if parent is not None:
        Message.objects.filter(pk=parent.pk).update(chosen_child=child)
    else:
        Conversation.objects.filter(pk=child.conversation_id).update(chosen_root=child)


def _checked_content(content: list[dict[str, Any]] | None) -> list[dict[str, Any]] | None:
    if content is None:
        return None
    parts: list[dict[str, Any]] = []
    for part in content:
        match part:
            case {"type": "text", "text": str(text)}:
                # PostgreSQL refuses NUL; lone surrogates cannot be encoded at all.
                clean = (
                    text.replace("\0", "\ufffd").encode("utf-16", "surrogatepass").decode("utf-16", "replace")
                )
                parts.append({"type": "text", "text": clean})
            case _:
                raise InvalidRequest("Only text can be sent so far.", field="content")
    if not text_of(parts).strip():
        raise InvalidRequest("The message is empty.", field="content")
    if len(text_of(parts).encode()) > MESSAGE_BYTES:
        raise TooLarge("A message may have 128 kB at most.", field="content")
    return parts


def title_of(parts: Sequence[dict[str, Any]]) -> str:
    """The first line of what was asked, until somebody finds a better one."""
    words = " ".join(text_of(parts).split())
    if len(words) <= TITLE_CHARACTERS:
        return words
    cut = words[:TITLE_CHARACTERS].rsplit(" ", 1)[0]
    return f"{cut}…"


def _started_before(user: User, key: UUID) -> Started | None:
    runs = list(
        Run.objects.visible_to(user)
        .filter(start_key=key)
        .select_related("conversation", "message__parent")
        .order_by("lane")
    )
    if not runs:
        return None
    question = runs[0].message.parent
    assert question is not None  # noqa: S101  (an answer always has a parent)
    return _answer(runs[0].conversation, question, runs)


def _answer(conversation: Conversation, question: Message, runs: Sequence[Run]) -> Started:
    return Started(
        conversation=str(conversation.pk),
        message=str(question.pk),
        runs=[StartedRun(run=str(run.pk), model=run.model_name, message=str(run.message_id)) for run in runs],
    )
