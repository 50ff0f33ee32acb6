"""Which part answers which path."""

from django.contrib import admin
from django.urls import include, path

handler500 = "chat.pages.errors.server_error"

urlpatterns = [
    path("accounts/", include("chat.pages.account_urls")),
    path("admin/", admin.site.urls),
    path("api/v1/", include("chat.api.urls")),
    path("", include("chat.api.callbacks")),
    path("", include("chat.pages.urls")),
]
