"""The admin's action that asks a provider what it offers, and adds what staff choose of it."""

import asyncio
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from chat.actions.provider_probe import listed_models
from chat.actions.providers import ProviderSpec, add_provider
from chat.engine.offers import endpoint_of
from chat.exceptions import ChatError
from chat.llm.redaction import secrets_of
from chat.models import Provider

MOST_DETAIL = 500
"""Characters; it may be a whole page of HTML."""


@admin.action(description="List its models and add some", permissions=["change"])
def add_models(
    model_admin: "admin.ModelAdmin[Any]", request: HttpRequest, chosen: "QuerySet[Provider]"
) -> HttpResponse | None:
    provider = chosen.first()
    if provider is None or chosen.count() != 1:
        model_admin.message_user(request, "Choose one provider.", messages.WARNING)
        return None
    try:
        if "apply" in request.POST:
            _add(model_admin, request, provider)
            return None
        offered = asyncio.run(listed_models(provider))
    except ChatError as error:
        model_admin.message_user(request, _what_is_wrong(error, provider), messages.ERROR)
        return None
    added = set(provider.models.values_list("name", flat=True))
    context = {
        **model_admin.admin_site.each_context(request),
        "title": f"Models of {provider.name}",
        "provider": provider,
        "offered": [(name, name in added) for name in offered],
    }
    return TemplateResponse(request, "admin/chat/provider_models.html", context)


def _what_is_wrong(error: ChatError, provider: Provider) -> str:
    """With what staff may read of it, which some providers fill with the key they refuse."""
    try:
        key = provider.read_key()
    except ChatError:
        key = ""
    detail = secrets_of(key, endpoint_of(provider)).hide_in(error.detail)[:MOST_DETAIL]
    # The admin begins each message with a capital, and a name is not ours to change.
    return f"Asked {provider.name}: {error}" + (f" [{detail}]" if detail else "")


def _add(model_admin: "admin.ModelAdmin[Any]", request: HttpRequest, provider: Provider) -> None:
    names = tuple(request.POST.getlist("models"))
    if not request.user.has_perm("chat.add_languagemodel"):
        model_admin.message_user(request, "You may not add models.", messages.ERROR)
        return
    if not names:
        model_admin.message_user(request, "No model was chosen.", messages.WARNING)
        return
    spec = ProviderSpec(
        provider.name, provider.dialect, provider.base_url, key_env=provider.key_env, models=names
    )
    for line in add_provider(spec):
        model_admin.message_user(request, line, messages.SUCCESS)
