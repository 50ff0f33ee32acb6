"""Quotas, how much of them is used, and what is set aside for model calls."""

from typing import Any, cast

from django import forms
from django.conf import settings
from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db import transaction
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from chat.admin.mixins import ReadOnly
from chat.models import Quota, QuotaUse, Reservation, User
from chat.models.providers import plain
from chat.models.quotas import MONEY, Kind
from chat.usage.known_quotas import KNOWN
from chat.usage.quotas import Nearness, figures_in_use, nearness

WHOLE = 100


class QuotaForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = Quota
        fields = (
            "name",
            "binds",
            "user",
            "group",
            "token",
            "enabled",
            *(kind.value for kind in Kind),
            "currency",
        )
        help_texts = {  # noqa: RUF012
            "name": gettext_lazy("For the administration; those whom it binds are told the figures."),
            "enabled": gettext_lazy("One that is not in force is still counted, and limits nobody."),
            "messages_per_minute": gettext_lazy(
                "Also after an edit, and to answer anew. Empty figures do not limit; 0 lets nothing through."
            ),
            "runs_at_once": gettext_lazy(
                "Each model that is asked counts; answers that wait for somebody do not."
            ),
            "tokens_per_day": gettext_lazy(
                "Input and output. Days and months are those of the site's time zone."
            ),
            "money_per_day": gettext_lazy(
                "Models without a price in this currency are not limited by money."
            ),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "currency" in self.fields:  # none where the row may only be looked at
            self.fields["currency"].initial = settings.CURRENCY


class WithUses(ChangeList):
    """Looks up what is used of all that it shows at once."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list = list(self.result_list)
        fullest = figures_in_use([quota.pk for quota in self.result_list])
        for quota in self.result_list:
            quota.fullest_now = fullest.get(quota.pk)


@admin.register(Quota)
class QuotaAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    form = QuotaForm
    list_display = ("name", "whom", "figures", "enabled", "fullest")
    list_filter = ("enabled", "binds")
    list_select_related = ("user", "group", "token")
    search_fields = ("name", "user__username", "group__name", "token__prefix")
    autocomplete_fields = ("user", "group", "token")
    fieldsets = (
        (None, {"fields": ("name", "enabled")}),
        (gettext_lazy("Whom it binds"), {"fields": ("binds", "user", "group", "token")}),
        (gettext_lazy("At a time"), {"fields": ("messages_per_minute", "runs_at_once")}),
        (gettext_lazy("Tokens"), {"fields": ("tokens_per_day", "tokens_per_month")}),
        (gettext_lazy("Money"), {"fields": ("money_per_day", "money_per_month", "currency")}),
    )

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return WithUses  # whatever is asked

    @admin.display(description=gettext_lazy("whom it binds"))
    def whom(self, quota: Quota) -> str:
        who = quota.user or quota.group or quota.token
        return f"{quota.get_binds_display()}: {who}" if who else quota.get_binds_display()

    @admin.display(description=gettext_lazy("figures"))
    def figures(self, quota: Quota) -> str:
        return ", ".join(_figure(quota, kind) for kind in Kind if getattr(quota, kind) is not None)

    @admin.display(description=gettext_lazy("fullest now"))
    def fullest(self, quota: Quota) -> str:
        near = quota.fullest_now  # type: ignore[attr-defined]  # put there by the list
        return _bar(near) if near is not None else _("nothing used")

    def save_model(self, request: HttpRequest, obj: Quota, form: Any, change: Any) -> None:
        super().save_model(request, obj, form, change)
        transaction.on_commit(KNOWN.forget)

    def delete_model(self, request: HttpRequest, obj: Quota) -> None:
        super().delete_model(request, obj)
        transaction.on_commit(KNOWN.forget)


@admin.register(QuotaUse)
class QuotaUseAdmin(ReadOnly):
    """Who is near what."""

    list_display = ("quota", "who", "kind", "starts", "bar", "set_aside")
    list_filter = ("kind", "quota")
    list_select_related = ("quota__token",)
    search_fields = ("=subject", "quota__name")
    date_hierarchy = "starts"
    ordering = ("-starts", "-used")
    show_full_result_count = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[QuotaUse]:
        name = User.objects.filter(pseudonym=OuterRef("subject")).values("username")[:1]
        uses: QuerySet[QuotaUse] = super().get_queryset(request).annotate(person=Subquery(name))
        return uses

    @admin.display(description=gettext_lazy("who"))
    def who(self, use: QuotaUse) -> str:
        if use.subject == use.quota_id:
            return _("the group together")
        if use.subject == use.quota.token_id:
            return str(use.quota.token)
        return cast(Any, use).person or _("an account that is gone")

    @admin.display(description=gettext_lazy("used"))
    def bar(self, use: QuotaUse) -> str:
        near = nearness(use, timezone.now())
        return _bar(near) if near is not None else ""

    @admin.display(description=gettext_lazy("set aside"))
    def set_aside(self, use: QuotaUse) -> str:
        near = nearness(use, timezone.now())
        return _amount(near, near.reserved) if near is not None else ""


@admin.register(Reservation)
class ReservationAdmin(ReadOnly):
    list_display = (
        "created_at",
        "run_link",
        "step",
        "epoch",
        "input_tokens",
        "output_tokens",
        "most",
        "state",
        "ended_at",
    )
    list_filter = ("state",)
    search_fields = ("=run",)
    date_hierarchy = "created_at"
    ordering = ("-created_at",)
    show_full_result_count = False
    fields = (
        "run_link",
        "step",
        "epoch",
        "input_tokens",
        "output_tokens",
        "most",
        "state",
        "created_at",
        "ended_at",
    )
    readonly_fields = fields

    @admin.display(description=gettext_lazy("run"))
    def run_link(self, row: Reservation) -> str:
        return format_html('<a href="{}">{}</a>', reverse("admin:chat_run_change", args=[row.run]), row.run)

    @admin.display(description=gettext_lazy("could cost"))
    def most(self, row: Reservation) -> str:
        return "" if row.cost is None else f"{plain(row.cost)} {row.currency}"


def _figure(quota: Quota, kind: Kind) -> str:
    figure = getattr(quota, kind)
    if kind in MONEY:
        return f"{figure:.2f} {kind.label.replace('money', quota.currency)}"
    return f"{figure:,} {kind.label}"


def _amount(near: Nearness, amount: Any) -> str:
    return f"{amount:.2f} {near.currency}" if near.currency else f"{amount:,}"


def _bar(near: Nearness) -> SafeString:
    words = _("%(taken)s of %(limit)s") % {
        "taken": _amount(near, near.taken),
        "limit": _amount(near, near.limit),
    }
    if near.who:
        words = f"{near.who}: {words}"
    return format_html(
        '<progress class="progress" value="{}" max="{}" aria-label="{}"></progress> {}',
        near.percent,
        WHOLE,
        words,
        words,
    )
