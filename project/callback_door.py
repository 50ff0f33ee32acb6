"""Callbacks of webhook tools, in front of Django's middleware.

They come from servers, by the hundred, signed: no session, no language, no form, no page. Django would start a thread
for each of them, which on SQLite opens the database anew, and carry it to and fro between that thread and the event
loop for each middleware: more work than taking it. Here a few threads, which keep their connections, call the view.
They are none of those that the running answers use, so that a flood of callbacks makes no answer wait; more than a
thousand in line are refused, as is who has stood there for too long, and who is refused comes again.
"""

from typing import Final

from django.core.handlers.asgi import ASGIHandler, ASGIRequest
from django.core.handlers.exception import convert_exception_to_response
from django.http import HttpRequest, HttpResponse
from django.urls import resolve

from chat.api.root import problem
from chat.engine.database import DatabaseThreads
from chat.exceptions import StorageUnavailable
from project.request_lines import Application, Receive, Scope, Send

PATHS: Final = ("/webhooks/invocations/", "/webhook/callback")
THREADS: Final = 4


class CallbackDoor(ASGIHandler):
    def __init__(self, application: Application) -> None:
        self._application = application
        self._threads = DatabaseThreads(THREADS)
        self._view = convert_exception_to_response(_view)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not scope["path"].startswith(PATHS):
            await self._application(scope, receive, send)
            return
        body = await self.read_body(receive)
        request = ASGIRequest(scope, body)
        try:
            response = await self._threads(self._view, request)
        except StorageUnavailable as error:
            response = problem(error)
        response["Content-Length"] = str(len(response.content))
        response["X-Content-Type-Options"] = "nosniff"
        await self.send_response(response, send)
        response.close()


def _view(request: HttpRequest) -> HttpResponse:
    found = resolve(request.path_info)
    request.resolver_match = found
    return found.func(request, *found.args, **found.kwargs)
