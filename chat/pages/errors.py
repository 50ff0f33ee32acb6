"""The page for what went wrong on our side: a database that is away passes, a bug does not."""

import sys

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views import defaults

from chat.engine.database import RETRY_AFTER_SECONDS, is_unavailable


def server_error(request: HttpRequest) -> HttpResponse:
    """Called by Django while it handles the exception."""
    error = sys.exc_info()[1]
    if error is None or not is_unavailable(error):
        return defaults.server_error(request)
    page = render(request, "503.html", status=503)
    page["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return page
