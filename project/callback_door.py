"""Callbacks of webhook tools, in front of Django's middleware.

They come from servers, by the hundred, and signed: no session, no language, no form, no cookie, and whatever Host they
name. Django would start a thread for each of them, which on SQLite opens the database anew, and go to and fro between
that thread and the event loop for each middleware: twice the work of taking it. Here a few threads call the view and
keep their connections. They are none of those that the running answers use, so a flood of callbacks makes no answer
wait. More than a thousand in line, and who has stood there for too long, are told 503, and come again.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from django.conf import settings
from django.core.exceptions import RequestAborted
from django.core.handlers.asgi import ASGIHandler, ASGIRequest
from django.core.handlers.exception import convert_exception_to_response
from django.http import HttpResponse
from django.urls import Resolver404, ResolverMatch, resolve

from chat.api.root import problem
from chat.engine.database import DatabaseThreads
from chat.exceptions import StorageUnavailable
from project.request_lines import Application, Receive, Scope, Send

BEGINNINGS: Final = ("/webhooks/", "/webhook/")


class CallbackDoor(ASGIHandler):
    """Reads and answers as Django's handler does. What is no callback goes on to the application."""

    def __init__(self, application: Application, threads: Callable[..., Any] | None = None) -> None:
        self._application = application
        self._threads = threads or DatabaseThreads(settings.CALLBACK_THREADS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        found = _callback_at(scope["path"])
        if found is None:
            await self._application(scope, receive, send)
            return
        try:
            body = await self.read_body(receive)
        except RequestAborted:
            return
        response = await self._answer(found, ASGIRequest(scope, body))
        response["Content-Length"] = str(len(response.content))
        response["X-Content-Type-Options"] = "nosniff"
        await self.send_response(response, send)

    async def _answer(self, found: ResolverMatch, request: ASGIRequest) -> HttpResponse:
        view: Any = convert_exception_to_response(partial(found.func, **found.kwargs))
        try:
            answer: HttpResponse = await self._threads(view, request)
        except StorageUnavailable as error:
            return problem(error)
        return answer


def _callback_at(path: str) -> ResolverMatch | None:
    if not path.startswith(BEGINNINGS):
        return None
    try:
        found = resolve(path)
    except Resolver404:
        return None
    return found if found.app_name == "callbacks" else None
