from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.templatetags.static import static
from django.urls import path

from chat.pages import looks, views


def _icon(_request: HttpRequest) -> HttpResponse:
    """Browsers ask here on pages that name no icon."""
    return redirect(static("chat/icon.svg"))


app_name = "chat"
urlpatterns = [
    path("", views.new_chat, name="new"),
    path("favicon.ico", _icon),
    path("c/<uuid:key>/", views.conversation, name="conversation"),
    path("c/<uuid:key>/attempts/<uuid:message>/", views.attempts, name="attempts"),
    path("settings/looks/", looks.looks, name="looks"),
]
