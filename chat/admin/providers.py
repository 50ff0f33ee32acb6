"""Upstream accounts and models. A key goes in and never comes out."""

import os
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from msgspec.structs import asdict

from chat.actions.providers import check_base_url
from chat.admin.list_prices import list_prices
from chat.admin.provider_models import add_models
from chat.admin.safeguards import LimitsNow
from chat.conf import CallLimits
from chat.exceptions import InvalidRequest
from chat.llm.dialects.registry import DIALECTS
from chat.models import LanguageModel, Price, Provider

DEADLINES = (
    "connect_seconds",
    "first_token_seconds",
    "first_token_reasoning_seconds",
    "idle_seconds",
    "total_seconds",
)
DEFAULTS = asdict(CallLimits())
LIMITS = tuple(name for name in DEFAULTS if name != "limited")
RETRIES = tuple(name for name in LIMITS if name.split("_")[0] in ("attempts", "retry", "longest", "retries"))
BREAKER = tuple(name for name in LIMITS if name.startswith("breaker"))
LINES = tuple(name for name in LIMITS if name not in (*RETRIES, *BREAKER))


class ProviderForm(forms.ModelForm):  # type: ignore[type-arg]
    dialect = forms.ChoiceField(choices=[(name, name) for name in DIALECTS])
    new_key = forms.CharField(
        label="API key",
        required=False,
        max_length=4000,
        widget=forms.PasswordInput(attrs={"autocomplete": "off", "class": "vTextField"}),
        help_text="Pasted here it is stored encrypted and never shown again. Empty: the key stays as it is.",
    )
    forget_key = forms.BooleanField(label="Forget the stored key", required=False)

    class Meta:
        model = Provider
        fields = (
            "name",
            "dialect",
            "base_url",
            "enabled",
            "key_env",
            "headers",
            "proxy",
            *DEADLINES,
            *LIMITS,
        )
        help_texts = {  # noqa: RUF012
            "headers": 'Sent with every request, as JSON: {"name": "text"}. {} sends none beyond the usual ones.'
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in (*DEADLINES, *LIMITS):
            if name in self.fields:
                self.fields[name].widget.attrs["placeholder"] = f"{self._without(name):g}"

    def _without(self, name: str) -> float:
        """What holds where nothing is said, as `chat.engine.offers` decides it."""
        if name == "first_token_reasoning_seconds" and self.instance.first_token_seconds:
            return float(self.instance.first_token_seconds)
        return float(getattr(settings, name.upper()) if name in DEADLINES else DEFAULTS[name])

    def clean_base_url(self) -> str:
        url: str = self.cleaned_data["base_url"].strip()
        try:
            check_base_url(url)
        except InvalidRequest as error:
            raise ValidationError(str(error)) from None
        return url.rstrip("/")

    def clean_proxy(self) -> str:
        proxy: str = self.cleaned_data["proxy"].strip()
        if proxy and not proxy.startswith("http://"):
            raise ValidationError("Expected http://host:port.")
        return proxy

    def clean_headers(self) -> dict[str, str]:
        headers = self.cleaned_data["headers"] or {}
        if not isinstance(headers, dict) or not all(isinstance(value, str) for value in headers.values()):
            raise ValidationError("Expected an object of header names and texts.")
        return headers

    def save(self, commit: bool = True) -> Provider:
        if key := self.cleaned_data["new_key"].strip():
            self.instance.set_key(key)
        elif self.cleaned_data["forget_key"]:
            self.instance.set_key("")
        provider: Provider = super().save(commit)
        return provider


class ModelInline(admin.TabularInline):  # type: ignore[type-arg]
    model = LanguageModel
    fk_name = "provider"
    fields = ("name", "enabled", "context_window", "max_output_tokens", "groups")
    extra = 0
    show_change_link = True

    def get_queryset(self, request: HttpRequest) -> "QuerySet[LanguageModel]":
        rows: QuerySet[LanguageModel] = super().get_queryset(request)
        return rows.select_related("provider").prefetch_related("groups")

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        field: Any = super().formfield_for_manytomany(db_field, request, **kwargs)
        if field is not None:
            field.choices = list(field.choices)  # looked up once, and not for each model
        return field


@admin.register(Provider)
class ProviderAdmin(LimitsNow):
    form = ProviderForm
    list_display = ("name", "dialect", "base_url", "key", "enabled", "limits")
    list_filter = ("enabled", "dialect")
    search_fields = ("name", "base_url")
    ordering = ("name",)
    readonly_fields = ("key", "created_at", "updated_at")
    fieldsets = (
        (None, {"fields": ("name", "dialect", "base_url", "enabled")}),
        ("Key", {"fields": ("key", "key_env", "new_key", "forget_key")}),
        ("Requests", {"fields": ("headers", "proxy", *DEADLINES)}),
        ("Retries", {"fields": RETRIES, "classes": ("collapse",)}),
        ("Circuit breaker", {"fields": BREAKER, "classes": ("collapse",)}),
        ("Limits", {"fields": LINES, "classes": ("collapse",)}),
        ("Times", {"fields": ("created_at", "updated_at")}),
    )  # fmt: skip
    inlines = (ModelInline,)
    actions = (add_models,)

    @admin.display
    def key(self, provider: Provider | None) -> str:
        """Whether there is one, and where it comes from. Never what it is."""
        if provider is None or provider._state.adding:
            return "none"
        if provider.key_env:
            there = "" if os.environ.get(provider.key_env) else ", which is not set"
            return f"from env {provider.key_env}{there}"
        return "set" if provider.key_encrypted else "none"


class PriceForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = Price
        fields = ("valid_from", "currency", "input", "output", "cached_input", "cache_write", "reasoning")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.fields:  # none where the row may only be looked at
            self.fields["valid_from"].initial = timezone.now
            self.fields["currency"].initial = settings.CURRENCY


class PriceInline(admin.TabularInline):  # type: ignore[type-arg]
    """A price is not edited: a new one begins, and the old calls keep theirs."""

    model = Price
    form = PriceForm
    extra = 0
    ordering = ("-valid_from",)
    readonly_fields = ("from_list",)

    def has_change_permission(self, _request: HttpRequest, _obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, _request: HttpRequest, _obj: Any = None) -> bool:
        return False


class LanguageModelForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = LanguageModel
        fields = "__all__"  # noqa: DJ007
        help_texts = {  # noqa: RUF012
            "capabilities": (
                'A JSON list of words, such as ["vision", "tools", "reasoning"]. Words that begin with no_ are '
                "learned from refusals: what they name is left out. Take one out to have it tried again."
            ),
            "next_model": (
                "Asked instead where this one does not answer, before anything was shown. Not for who may not use it."
            ),
            "groups": "Who may use it. None: everybody.",
        }

    def clean_next_model(self) -> LanguageModel | None:
        following: LanguageModel | None = self.cleaned_data["next_model"]
        if following is not None and following.pk == self.instance.pk:
            raise ValidationError("A model cannot be its own next one. Choose another, or none.")
        return following


@admin.register(LanguageModel)
class LanguageModelAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    form = LanguageModelForm
    list_display = ("name", "provider", "enabled", "context_window", "price", "for_groups")
    list_filter = ("enabled", "provider")
    list_select_related = ("provider",)
    search_fields = ("name", "provider__name")
    ordering = ("provider__name", "name")
    autocomplete_fields = ("provider", "next_model")
    filter_horizontal = ("groups",)
    inlines = (PriceInline,)
    actions = (list_prices,)
    readonly_fields = ("estimates",)

    @admin.display(description="tokens it reports for each that is estimated")
    def estimates(self, model: LanguageModel) -> str:
        kinds = (
            ("input", model.input_ratio, model.input_ratio_calls),
            ("output", model.output_ratio, model.output_ratio_calls),
        )
        return ", ".join(
            f"{kind}: " + (f"{calls} calls, too few to tell" if ratio is None else f"{ratio} ({calls} calls)")
            for kind, ratio, calls in kinds
        )

    def get_queryset(self, request: HttpRequest) -> "QuerySet[LanguageModel]":
        rows: QuerySet[LanguageModel] = super().get_queryset(request)
        newest_first = Price.objects.order_by("-valid_from")
        return rows.prefetch_related("groups", Prefetch("prices", newest_first, to_attr="newest_prices"))

    @admin.display(description="for")
    def for_groups(self, model: LanguageModel) -> str:
        return ", ".join(group.name for group in model.groups.all()) or "everybody"

    @admin.display(description="price per million tokens")
    def price(self, model: LanguageModel) -> str:
        now = timezone.now()
        newest: list[Price] = model.newest_prices  # type: ignore[attr-defined]
        return next((str(price) for price in newest if price.valid_from <= now), "unknown")


@admin.register(Price)
class PriceAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """All of them, the newest first. One that holds, or has held, is history; one that is still to come may go."""

    form = PriceForm
    list_display = (
        "model", "valid_from", "currency", "input", "output", "cached_input", "cache_write", "reasoning", "from_list",
    )  # fmt: skip
    fields = (
        "model", "valid_from", "currency", "input", "output", "cached_input", "cache_write", "reasoning", "from_list",
    )  # fmt: skip
    readonly_fields = ("from_list",)
    list_filter = ("currency", "from_list", "model__provider")
    list_select_related = ("model__provider",)
    search_fields = ("model__name", "model__provider__name")
    autocomplete_fields = ("model",)
    date_hierarchy = "valid_from"
    ordering = ("-valid_from",)

    def has_change_permission(self, _request: HttpRequest, _obj: Price | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Price | None = None) -> bool:
        return (
            obj is not None
            and obj.valid_from > timezone.now()
            and bool(super().has_delete_permission(request, obj))
        )
