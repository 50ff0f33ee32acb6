"""The admin's site: Django's own, with our navigation, our way in, and the dashboard as its first page.

It stands outside `chat.admin`, because that room registers its pages here while it is imported; hence the imports
inside.
"""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.translation import gettext_lazy


class Office(admin.AdminSite):
    index_title = gettext_lazy("Administration")
    enable_nav_sidebar = False

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        from chat.admin.navigation import navigation

        context = super().each_context(request)
        parts = navigation(context["available_apps"], self._registry, request.path)
        return {**context, "navigation": parts}

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        from chat.admin.dashboard import dashboard
        from chat.wiring.figures import bands

        board = dashboard(request, bands(), timezone.now())
        return super().index(request, {**(extra_context or {}), "board": board})

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """There is one page to sign in. Who is signed in and no staff is told so, instead of being asked again."""
        if request.method != "GET":
            return super().login(request, extra_context)
        if self.has_permission(request):
            return redirect("admin:index")
        if request.user.is_authenticated:
            raise PermissionDenied
        following = request.GET.get("next") or reverse("admin:index")
        return redirect(f"{reverse('login')}?{urlencode({'next': following})}")
