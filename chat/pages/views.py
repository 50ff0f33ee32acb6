"""The chat's pages: server-rendered, with the messages in them; the socket brings what is new."""

from typing import cast
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_safe

from chat.models import Conversation, Run, User
from chat.pages.attempts import made_steps
from chat.pages.names import shared_names
from chat.pages.presenting import live_runs, offered_models, shown_turns, sidebar_groups


@require_safe
@login_required
@never_cache
@ensure_csrf_cookie
def new_chat(request: HttpRequest) -> HttpResponse:
    return _page(request, None)


@require_safe
@login_required
@never_cache
@ensure_csrf_cookie
def conversation(request: HttpRequest, key: UUID) -> HttpResponse:
    """404 also where it exists but is somebody else's."""
    found = Conversation.objects.visible_to(cast(User, request.user)).filter(pk=key).first()
    if found is None:
        raise Http404
    return _page(request, found)


@require_safe
@login_required
@never_cache
def attempts(request: HttpRequest, key: UUID, message: UUID) -> HttpResponse:
    """The calls that were made for one answer: a fragment for its details. 404 as `conversation`."""
    user = cast(User, request.user)
    run = (
        Run.objects.visible_to(user).filter(conversation=key, message=message).order_by("created_at").first()
    )
    if run is None:
        raise Http404
    steps = made_steps(run)
    made = [attempt for step in steps for attempt in step["attempts"]]
    return render(request, "chat/_attempts.html", {"steps": steps, "attempts": made})


def _page(request: HttpRequest, found: Conversation | None) -> HttpResponse:
    user = cast(User, request.user)
    models = offered_models(user)
    shared = shared_names(model["id"] for model in models)
    turns = shown_turns(found, shared) if found is not None else []
    selected = _selected(turns, models)
    context = {
        "conversation": found,
        "groups": sidebar_groups(user, current=found.pk if found is not None else None),
        "turns": turns,
        "models": models,
        "shared_names": shared,
        "model": selected,
        "page_data": {
            "socket": "/ws/chat/",
            "conversation": str(found.pk) if found is not None else None,
            "user": str(user.pk),
            "model": selected,
            "live": live_runs(turns),
            "urls": {"login": "/accounts/login/", "new": "/", "conversation": "/c/", "api": "/api/v1/"},
        },
    }
    return render(request, "chat/page.html", context)


def _selected(turns: list[dict[str, object]], models: list[dict[str, object]]) -> str:
    """The model that was last chosen where it is still offered, else the first one."""
    offered = [str(model["id"]) for model in models]
    for turn in reversed(turns):
        if turn["asked_model"] in offered:
            return str(turn["asked_model"])
    return offered[0] if offered else ""
