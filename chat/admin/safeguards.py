"""The pages "Limits now": what stands around the calls to providers at this moment, and the breaker's switch."""

import os
import socket
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar
from uuid import UUID

import msgspec
from django.contrib import admin, messages
from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST
from msgspec import Struct

from chat import wiring
from chat.admin.limits_shown import figures_section, overview_sections, provider_sections
from chat.admin.limits_words import Section
from chat.admin.navigation import OPERATE, Page, Place
from chat.engine.offers import limits_of
from chat.llm.limits_now import Overview, ProviderNow, overview, provider_now
from chat.llm.safeguards import Safeguards
from chat.models import LanguageModel, Provider, User
from chat.resilience.backends.base import BackendUnavailable, Forced, State

ANSWER_SECONDS: Final = 2.0
"""For what the event loop and Redis are asked: whoever waits for it is a person, and asks again soon."""
MOST_REASON: Final = 300
WANTED: Final[dict[str, Forced | None]] = {
    "forced_open": "forced_open",
    "forced_closed": "forced_closed",
    "counting": None,
}

T = TypeVar("T")


class NotNow(Exception):
    """This process cannot say; the text is for staff."""


class LimitsPage(Struct, frozen=True):
    """`trouble` says why there is less to see; "" where there is none. `now` are the plain figures, for programs."""

    sections: list[Section]
    trouble: str = ""
    counted: str = ""
    process: str = ""
    now: ProviderNow | Overview | None = None


class LimitsNow(admin.ModelAdmin):  # type: ignore[type-arg]
    """Gives a provider's admin its pages `limits/`, for one and for all, and their figures as JSON."""

    office_pages = (
        Page(
            "admin:chat_provider_limits_overview",
            Place(OPERATE, 20, "sliders", gettext_lazy("Breakers and queues")),
        ),
    )

    def get_urls(self) -> list[URLPattern]:
        def view(function: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
            return self.admin_site.admin_view(function)

        return [
            path("limits/", view(self.overview_view), name="chat_provider_limits_overview"),
            path("limits/now/", view(self.overview_data), name="chat_provider_limits_overview_now"),
            path("<uuid:key>/limits/", view(self.limits_view), name="chat_provider_limits"),
            path("<uuid:key>/limits/now/", view(self.limits_data), name="chat_provider_limits_now"),
            path(
                "<uuid:key>/limits/breaker/",
                view(require_POST(self.force_view)),
                name="chat_provider_limits_breaker",
            ),
            *super().get_urls(),
        ]

    @admin.display(description="limits")
    def limits(self, provider: Provider) -> SafeString:
        return format_html(
            '<a href="{}">{}</a>', reverse("admin:chat_provider_limits", args=[provider.pk]), _("Limits now")
        )

    # --- all providers ----------------------------------------------------------------------------------

    def overview_view(self, request: HttpRequest) -> HttpResponse:
        data = reverse("admin:chat_provider_limits_overview_now")
        return self._page(request, self._overview(request), data, {"title": _("Limits now")})

    def overview_data(self, request: HttpRequest) -> HttpResponse:
        return _as_json(self._overview(request))

    def _overview(self, request: HttpRequest) -> LimitsPage:
        if not self.has_view_permission(request):
            raise PermissionDenied
        providers = list(Provider.objects.order_by("name"))
        links = {str(one.pk): reverse("admin:chat_provider_limits", args=[one.pk]) for one in providers}
        models: dict[str, list[str]] = {key: [] for key in links}
        for provider, model in LanguageModel.objects.values_list("provider_id", "pk"):
            models.setdefault(str(provider), []).append(str(model))
        try:
            found = ask(lambda safeguards: overview(safeguards, dict(models)))
        except NotNow as trouble:
            return LimitsPage([], trouble=str(trouble))
        sections = overview_sections(found, providers, links)
        return LimitsPage(sections, counted=_counted(found), process=_process(), now=found)

    # --- one provider -----------------------------------------------------------------------------------

    def limits_view(self, request: HttpRequest, key: UUID) -> HttpResponse:
        provider = self._provider(request, key)
        more = {
            "title": _("Limits now: %(name)s") % {"name": provider.name},
            "provider": provider,
            "may_force": self.has_change_permission(request, provider) and limits_of(provider).limited,
            "most_reason": MOST_REASON,
        }
        data = reverse("admin:chat_provider_limits_now", args=[key])
        return self._page(request, _provider_page(provider), data, more)

    def limits_data(self, request: HttpRequest, key: UUID) -> HttpResponse:
        return _as_json(_provider_page(self._provider(request, key)))

    def force_view(self, request: HttpRequest, key: UUID) -> HttpResponse:
        provider = self._provider(request, key)
        if not self.has_change_permission(request, provider):
            raise PermissionDenied
        self._force(request, provider)
        return HttpResponseRedirect(reverse("admin:chat_provider_limits", args=[key]))

    def _force(self, request: HttpRequest, provider: Provider) -> None:
        wanted, reason = request.POST.get("state", ""), request.POST.get("reason", "").strip()[:MOST_REASON]
        if wanted not in WANTED or not limits_of(provider).limited:
            self.message_user(request, _("There is no such switch."), messages.ERROR)
            return
        if not reason:
            self.message_user(request, _("Say why: the history keeps it."), messages.ERROR)
            return
        # Noted before it is done: nothing is switched that the history does not know.
        self.log_change(request, provider, f"{_noted(wanted)}{reason}")
        breaker = f"provider:{provider.pk}"

        async def force(safeguards: Safeguards) -> bool:
            await safeguards.breakers.force(breaker, WANTED[wanted])
            return safeguards.shared

        try:
            shared = ask(force)
        except BackendUnavailable:
            told = _("Redis does not answer: only this process follows. Say it again once Redis is back.")
            self.message_user(request, told, messages.WARNING)
        except NotNow as trouble:
            self.log_change(request, provider, "Circuit breaker: no answer whether that was done.")
            self.message_user(request, str(trouble), messages.ERROR)
        else:
            told = _("Done. It counts from the next call on, in this process: REDIS_URL is not set.")
            if shared:
                told = _("Done. It counts from the next call on, in all processes.")
            self.message_user(request, told)

    def _provider(self, request: HttpRequest, key: UUID) -> Provider:
        if not self.has_view_permission(request):
            raise PermissionDenied
        return get_object_or_404(Provider, pk=key)

    def _page(
        self, request: HttpRequest, page: LimitsPage, data: str, more: dict[str, Any]
    ) -> TemplateResponse:
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "page": page,
            "data_url": data,
            **more,
        }
        return TemplateResponse(request, "admin/chat/provider/limits.html", context)


def ask(question: Callable[[Safeguards], Coroutine[Any, Any, T]]) -> T:
    """What the safeguards of this process's runtime say. The admin's views run in threads of their own.

    Raises:
        NotNow: there is no runtime here, or it does not answer in time.
    """
    runtime = wiring.running()
    if runtime is None:
        raise NotNow(
            _(
                "This process has made no model call since its start, so there is nothing to show yet. "
                "With manage.py serve it shows at once; otherwise as soon as somebody opens the chat."
            )
        )
    try:
        return runtime.ask(question(runtime.safeguards), within_seconds=ANSWER_SECONDS)
    except TimeoutError:
        raise NotNow(_("The server is too busy to say. Look again in a moment.")) from None


def _provider_page(provider: Provider) -> LimitsPage:
    limits, figures = limits_of(provider), figures_section(provider)
    if not limits.limited:
        told = _("The scripted provider inside the process has retries, and neither limits nor a breaker.")
        return LimitsPage([figures], trouble=told)
    rows = provider.models.filter(enabled=True).order_by("name").values_list("pk", "name")
    models = {str(model): name for model, name in rows}
    try:
        now = ask(lambda safeguards: provider_now(safeguards, str(provider.pk), list(models), limits))
    except NotNow as trouble:
        return LimitsPage([figures], trouble=str(trouble))
    forced_by = _forced_by(provider, now.breaker.state)
    sections = [*provider_sections(provider, now, models, _names(now), forced_by), figures]
    return LimitsPage(sections, counted=_counted(now), process=_process(), now=now)


def _noted(wanted: str) -> str:
    """How the history's entry of a switch begins; the reason follows."""
    return f"Circuit breaker: {wanted.replace('_', ' ')}. Reason: "


def _forced_by(provider: Provider, state: State) -> str:
    """Who switched it last to this, when and why; "" of a breaker that counts."""
    if state not in ("forced_open", "forced_closed"):
        return ""
    kind = ContentType.objects.get_for_model(Provider)
    entries = LogEntry.objects.filter(content_type=kind, object_id=str(provider.pk)).select_related("user")
    entry = entries.filter(change_message__startswith=_noted(state)).order_by("-action_time", "-pk").first()
    if entry is None:
        return _("somebody of whom the history does not know")
    return _("%(user)s, %(time)s: %(reason)s") % {
        "user": entry.user.get_username(),
        "time": date_format(timezone.localtime(entry.action_time), "Y-m-d H:i:s"),
        "reason": entry.change_message.removeprefix(_noted(state)),
    }


def _names(now: ProviderNow) -> dict[str, str]:
    users = User.objects.filter(pk__in=[UUID(one.user) for one in now.users])
    return {str(user): name for user, name in users.values_list("pk", "username")}


def _counted(now: ProviderNow | Overview) -> str:
    if not now.shared:
        return _("Counted by this process alone: REDIS_URL is not set.")
    if now.alone:
        return _("Redis does not answer: each process counts for itself until it is back.")
    return _("Counted over all processes, in Redis.")


def _process() -> str:
    return f"{socket.gethostname()}, pid {os.getpid()}"


def _as_json(page: LimitsPage) -> HttpResponse:
    return HttpResponse(msgspec.json.encode(page), content_type="application/json")
