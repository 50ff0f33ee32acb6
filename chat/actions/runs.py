"""Starting and stopping runs: check, write in one transaction, tell after the commit."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, NamedTuple, Protocol
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models.functions import Now
from django.utils import timezone
from msgspec import Struct
from msgspec.structs import replace

from chat.actions.client_tools import check_client_tools
from chat.actions.moderated_input import Found, moderated
from chat.engine.history import StoredMessage, plan_of, stored_path
from chat.engine.offered_tools import names_for
from chat.engine.offers import Offer, Offers
from chat.engine.plan import RunPlan
from chat.engine.reserving import reserve_start
from chat.exceptions import ChatError, InvalidRequest, NotFound, TooLarge
from chat.llm.dialects.text import clean, clean_json
from chat.models import ApiToken, Conversation, Message, Run, User
from chat.models.conversations import Tree, text_of

MESSAGE_BYTES = 131_072
MOST_LANES = 4
TITLE_CHARACTERS = 60

Parts = list[dict[str, Any]]


class Office(Protocol):
    """Where actions tell what they have done, and ask what is offered. Safe to call from the database's threads."""

    node: UUID
    offers: Offers

    def launch(self, plan: RunPlan) -> None: ...

    def stop_run(self, run: UUID, asked_at: datetime) -> None: ...

    def woken(self, run: UUID) -> None:
        """It was parked, and is free for whoever takes it up."""

    def tool_changed(self, run: str) -> None:
        """Whoever makes the run should look at its invocations."""

    def announce(self, user: UUID, name: str, fields: dict[str, Any]) -> None:
        """A notice for all of this user's tabs."""

    def tell_invocations(self, keys: Collection[UUID]) -> None:
        """Those wait for somebody now, or have ended. The one thing here that belongs inside the transaction:
        chat.models.tools.TellInvocations."""


class StartRequest(Struct, frozen=True):
    """`run.start` as it came in (docs/reference/websocket.md). `content` None answers or continues `parent`."""

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
    """`message` is the user's message; `runs` has one a lane. `title` is the conversation's, as it is stored."""

    conversation: str
    title: str
    message: str
    runs: list[StartedRun]

    @property
    def run(self) -> str:
        return self.runs[0].run


def start_runs(user: User, request: StartRequest, office: Office, token: ApiToken | None = None) -> Started:
    """Stores the message and begins one run a model. The same key twice gives the same runs. `token` is the one by
    which it was asked for, where nobody is there in person.

    Raises:
        NotFound: the conversation or the parent is absent or not this user's.
        ModelNotAvailable: a name fits no model.
        InvalidRequest: nothing to answer, too many lanes, or tools of the caller that cannot be offered.
        TooLarge: the message is longer than 128 kB, or those tools than 64 kB.
        ProviderAuth: the provider's key cannot be read.
        ModerationBlocked: a rule of the site forbids it.
        QuotaExceeded, BudgetExceeded: a limit does not let this user; nothing was stored.
    """
    parts = _checked_content(request.content)
    request = replace(request, options=_checked_options(user, request.options))
    if not 1 <= len(request.models) <= MOST_LANES:
        raise InvalidRequest("Choose one to four models.", field="models")
    try:
        parts, options, found = moderated(user, parts, request.options)
        request = replace(request, options=options)
        offers = [office.offers.named(user, name) for name in request.models]
        with transaction.atomic():
            return _start(user, request, parts, offers, office, found, token)
    except (IntegrityError, ChatError):
        # Nearly always the first time; that it is not shows in the key's constraint, or in what has changed since.
        if earlier := _started_before(user, request.key):
            return earlier
        raise


def _start(
    user: User,
    request: StartRequest,
    parts: Parts | None,
    offers: Sequence[Offer],
    office: Office,
    found: Found,
    token: ApiToken | None,
) -> Started:
    now = timezone.now()
    place = _place(user, request, parts)
    conversation, question = place.conversation, place.question
    answers = [
        Message(
            conversation=conversation, parent=question, role=Message.Role.ASSISTANT, model=offer.full_name
        )
        for offer in offers
    ]
    # The active path takes what was just begun. Keys are made here, so rows can name each other before they exist.
    if place.is_new:
        question.chosen_child = answers[0]
        conversation.chosen_root = question
        conversation.save(force_insert=True)
        Message.objects.bulk_create([question, *answers])
    else:
        _join(place, answers, now)
    runs = [
        Run(
            user=user,
            conversation=conversation,
            message=answer,
            model_id=offer.model,
            model_name=offer.full_name,
            options={**conversation.options, **request.options},
            start_key=request.key,
            lane=lane,
            token=token,
            # Claimed in the same transaction: one write less before the first token.
            status=Run.Status.RUNNING,
            epoch=1,
            node_id=office.node,
            created_at=now,
            claimed_at=Now(),
        )
        for lane, (offer, answer) in enumerate(zip(offers, answers, strict=True))
    ]
    Run.objects.bulk_create(runs)
    found.write(runs[0], question)
    path = place.earlier + ([StoredMessage("user", parts)] if parts is not None else [])
    plans = [plan_of(run, offer, path) for run, offer in zip(runs, offers, strict=True)]
    # Last, as many wait for these rows.
    reserve_start(plans, now=now)
    transaction.on_commit(lambda: _tell(office, user, conversation, question, plans))
    return _answer(conversation, question, runs)


def _join(place: "_Place", answers: Sequence[Message], now: datetime) -> None:
    """New messages in a conversation that exists."""
    conversation, question = place.conversation, place.question
    changes: dict[str, Any] = {"updated_at": now}
    if question._state.adding:
        question.chosen_child = answers[0]
        Message.objects.bulk_create([question, *answers])
        if question.parent_id is None:
            changes["chosen_root"] = question
        else:
            Message.objects.filter(pk=question.parent_id).update(chosen_child=question)
    else:
        Message.objects.bulk_create(answers)
        Message.objects.filter(pk=question.pk).update(chosen_child=answers[0])
    Conversation.objects.filter(pk=conversation.pk).update(**changes)


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
    """The flag in the row first, then the hint: a rescued run that was stopped stays stopped. A parked one is nobody's:
    it is woken, so that somebody ends it.

    Raises:
        NotFound: absent or not this user's.
    """
    asked_at = asked_at or timezone.now()
    mine = Run.objects.visible_to(user).filter(pk=run)
    if not mine.request_stop(asked_at) and not mine.exists():
        raise NotFound
    if Run.objects.wake(run):
        office.woken(run)
    else:
        office.stop_run(run, asked_at)


class _Place(NamedTuple):
    """Where the answers go: below `question`, which may not be stored yet, after what was said `earlier`."""

    conversation: Conversation
    question: Message
    earlier: list[StoredMessage]
    is_new: bool


def _place(user: User, request: StartRequest, parts: Parts | None) -> _Place:
    if request.conversation is None:
        if parts is None:
            raise InvalidRequest("A new conversation begins with a message.", field="content")
        if request.parent is not None:
            raise InvalidRequest("A parent belongs to a conversation; name it too.", field="conversation")
        conversation = Conversation(owner=user, title=title_of(parts))
        question = Message(conversation=conversation, role=Message.Role.USER, parts=parts)
        return _Place(conversation, question, [], is_new=True)
    # One at a time in a conversation: what is checked here must still hold when it is written.
    mine = Conversation.objects.visible_to(user).filter(pk=request.conversation)
    found = mine.select_for_update(no_key=True).first()
    if found is None:
        raise NotFound
    tree = Tree(found)
    path = _path_to_parent(tree, request.parent)
    if parts is not None:
        question = Message(
            conversation=found, parent_id=path[-1] if path else None, role=Message.Role.USER, parts=parts
        )
    elif path:
        question = found.messages.get(pk=path[-1])
        if question.role == Message.Role.ASSISTANT and question.runs.open().exists():
            raise InvalidRequest("That answer is still being written.", field="parent")
    else:
        raise InvalidRequest("There is nothing to answer yet.", field="content")
    return _Place(found, question, stored_path(path), is_new=False)


def _path_to_parent(tree: Tree, parent: UUID | None) -> list[UUID]:
    """From the first message to the one that is answered or written below; without one, the tip of the active path."""
    if parent is None:
        return tree.active_path()
    if parent not in tree:
        raise NotFound
    return tree.path_to(parent)


def _checked_content(content: Parts | None) -> Parts | None:
    if content is None:
        return None
    parts: Parts = []
    for part in content:
        match part:
            case {"type": "text", "text": str(text)}:
                parts.append({"type": "text", "text": clean(text)})
            case _:
                raise InvalidRequest("Only text can be sent so far.", field="content")
    if not text_of(parts).strip():
        raise InvalidRequest("The message is empty.", field="content")
    if len(text_of(parts).encode()) > MESSAGE_BYTES:
        raise TooLarge("A message may have 128 kB at most.", field="content")
    return parts


def _checked_options(user: User, options: dict[str, Any]) -> dict[str, Any]:
    options = _storable(options)
    if options.get("client_tools"):
        check_client_tools(options["client_tools"], names_for(user))
    return options


def _storable(options: dict[str, Any]) -> dict[str, Any]:
    try:
        cleaned: dict[str, Any] = clean_json(options)
    except RecursionError:
        raise InvalidRequest("The options are nested too deeply.", field="options") from None
    return cleaned


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
        title=conversation.title,
        message=str(question.pk),
        runs=[StartedRun(run=str(run.pk), model=run.model_name, message=str(run.message_id)) for run in runs],
    )
