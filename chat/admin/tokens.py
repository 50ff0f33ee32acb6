"""API tokens: whose they are, what they may do, when they were last used. What a token says is kept nowhere."""

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from chat.admin.mixins import ReadOnly
from chat.models import ApiToken


@admin.register(ApiToken)
class ApiTokenAdmin(ReadOnly):
    list_display = (
        "begins_with", "owner", "name", "may", "created_at", "expires_at", "revoked_at", "last_used_at",
    )  # fmt: skip
    fields = (
        "id", "owner", "name", "begins_with", "may", "created_at", "expires_at", "revoked_at", "last_used_at",
    )  # fmt: skip
    list_filter = (("revoked_at", admin.EmptyFieldListFilter),)
    list_select_related = ("owner",)
    search_fields = ("=id", "prefix", "name", "owner__username")
    date_hierarchy = "created_at"
    ordering = ("-created_at",)
    actions = ("revoke",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[ApiToken]:
        tokens: QuerySet[ApiToken] = super().get_queryset(request)
        return tokens.defer("token_sha256")

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("chat.change_apitoken")

    @admin.action(
        description=gettext_lazy("Revoke: what uses them is cut within two seconds"), permissions=["revoke"]
    )
    def revoke(self, request: HttpRequest, chosen: QuerySet[ApiToken]) -> None:
        count = 0
        for token in chosen:
            if ApiToken.objects.filter(pk=token.pk).revoke(timezone.now()):
                self.log_change(request, token, "Revoked.")
                count += 1
        messages.info(request, ngettext("%d token is revoked.", "%d tokens are revoked.", count) % count)

    @admin.display(description=gettext_lazy("begins with"))
    def begins_with(self, token: ApiToken) -> str:
        return f"{token.prefix}…"

    @admin.display(description=gettext_lazy("scopes"))
    def may(self, token: ApiToken) -> str:
        return ", ".join(token.scopes) or _("none")
