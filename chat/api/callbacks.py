"""Where the servers of webhook tools call back. Signed, so that nobody is signed in; no part of the REST API."""

from collections.abc import Callable
from functools import wraps
from uuid import UUID

from django.core.exceptions import RequestDataTooBig
from django.db import Error
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from chat import wiring
from chat.actions import callbacks
from chat.actions.callbacks import Delivered
from chat.api.root import problem
from chat.engine.database import RETRY_AFTER_SECONDS, is_unavailable
from chat.exceptions import ChatError, StorageUnavailable, TooLarge

app_name = "callbacks"


def _answered(receive: Callable[..., bool]) -> Callable[..., HttpResponse]:
    @csrf_exempt
    @require_POST
    @wraps(receive)
    def view(request: HttpRequest, **arguments: UUID) -> HttpResponse:
        try:
            first = receive(_delivered(request), **arguments)
        except ChatError as error:
            return problem(error)
        except Error as error:
            if not is_unavailable(error):
                raise
            return problem(StorageUnavailable(retry_after_seconds=RETRY_AFTER_SECONDS))
        return JsonResponse({"ok": True, "repeated": not first})

    return view


def _delivered(request: HttpRequest) -> Delivered:
    try:
        body = request.body
    except RequestDataTooBig:
        raise TooLarge("A callback may have 1 MB at most.") from None
    return Delivered(body, request.headers)


@_answered
def invocation(request: Delivered, *, key: UUID) -> bool:
    return callbacks.receive(key, request, wiring.runtime(), now=timezone.now())


@_answered
def flat(request: Delivered) -> bool:
    return callbacks.receive_flat(request, wiring.runtime(), now=timezone.now())


urlpatterns = [
    path("webhooks/invocations/<uuid:key>", invocation, name="invocation"),
    path("webhook/callback", flat, name="flat"),
]
