"""Pages and REST wait as long for a database that hangs as for a locked one; the admin's long lists wait longer."""

from collections.abc import Awaitable, Callable
from inspect import iscoroutinefunction
from typing import Any, cast

from django.http import HttpRequest, HttpResponse
from django.utils.decorators import sync_and_async_middleware

from chat.engine.patience import UNHURRIED_SECONDS, in_a_hurry, patience

PATIENT = "/admin/"


@sync_and_async_middleware
def soon_or_not_at_all(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    if iscoroutinefunction(get_response):

        async def asynchronous(request: HttpRequest) -> HttpResponse:
            with patience(_seconds_for(request.path)):
                return await cast(Awaitable[HttpResponse], get_response(request))

        return asynchronous

    def middleware(request: HttpRequest) -> HttpResponse:
        with patience(_seconds_for(request.path)):
            return cast(HttpResponse, get_response(request))

    return middleware


def _seconds_for(path: str) -> float:
    return UNHURRIED_SECONDS if path.startswith(PATIENT) else in_a_hurry()
