"""The REST API: routers, who may call, and how errors look (RFC 9457 problem details)."""

from collections.abc import Callable
from datetime import UTC
from functools import wraps
from typing import Any

import msgspec
import structlog
from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.db import Error
from django.http import HttpRequest, HttpResponse, JsonResponse
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, ValidationError
from ninja.parser import Parser
from ninja.security import django_auth

from chat.api.attachments import router as attachments
from chat.api.conversations import router as conversations
from chat.api.invocations import router as invocations
from chat.api.usage import router as usage
from chat.api.webhooks import deliveries, endpoints
from chat.engine.database import RETRY_AFTER_SECONDS, is_unavailable
from chat.exceptions import (
    ChatError,
    Forbidden,
    Internal,
    InvalidRequest,
    NotFound,
    SignedOut,
    StorageUnavailable,
    TooLarge,
    UsedUp,
)

logger = structlog.get_logger(__name__)

_KINDS: dict[int, type[ChatError]] = {404: NotFound, 413: TooLarge}


class StrictParser(Parser):
    """JSON as RFC 8259 has it. Python's own lets lone surrogates through, which no database takes."""

    def parse_body(self, request: HttpRequest) -> Any:
        return msgspec.json.decode(request.body)


def _for_users(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    @wraps(view)
    def guarded(request: HttpRequest, **arguments: Any) -> HttpResponse:
        return view(request, **arguments) if request.user.is_authenticated else problem(SignedOut())

    return guarded


# Session sign-in checks the CSRF token on every unsafe method. There is no page of documentation: ninja's takes its
# scripts from elsewhere, which the content security policy rightly refuses.
api = NinjaAPI(
    title=settings.SITE_NAME,
    version="1",
    auth=[django_auth],
    urls_namespace="api",
    openapi_url="/openapi.json",
    docs_url=None,
    docs_decorator=_for_users,
    parser=StrictParser(),
)
api.add_router("/attachments", attachments)
api.add_router("/conversations", conversations)
api.add_router("/invocations", invocations)
api.add_router("/usage", usage)
api.add_router("/webhook-endpoints", endpoints)
api.add_router("/webhook-deliveries", deliveries)


def problem(error: ChatError, status: int = 0) -> HttpResponse:
    """`application/problem+json` with the error's code; `status` where it is not the error's own."""
    status = status or error.http_status
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": str(error),
        "status": status,
        "code": error.code,
        "retryable": error.retryable,
    }
    if error.field:
        body["field"] = error.field
    if isinstance(error, UsedUp) and error.resets_at is not None:
        body["resets_at"] = error.resets_at.astimezone(UTC).isoformat()
    response = JsonResponse(body, status=status, content_type="application/problem+json")
    if error.retry_after_seconds is not None:
        response["Retry-After"] = str(max(1, round(error.retry_after_seconds)))
    return response


@api.exception_handler(ChatError)
def _chat_error(_request: HttpRequest, error: ChatError) -> HttpResponse:
    return problem(error)


@api.exception_handler(AuthenticationError)
def _signed_out(_request: HttpRequest, _error: AuthenticationError) -> HttpResponse:
    return problem(SignedOut())


@api.exception_handler(ValidationError)
def _invalid(_request: HttpRequest, error: ValidationError) -> HttpResponse:
    where = ".".join(str(place) for place in error.errors[0]["loc"]) if error.errors else ""
    return problem(InvalidRequest("The request could not be read.", field=where))


@api.exception_handler(HttpError)
def _http_error(_request: HttpRequest, error: HttpError) -> HttpResponse:
    if error.status_code == 403:
        # The only way to it so far.
        return problem(Forbidden("Please load the page again: its CSRF token is missing or too old."))
    kind = Internal if error.status_code >= 500 else _KINDS.get(error.status_code, InvalidRequest)
    return problem(kind(error.message), error.status_code)


@api.exception_handler(RequestDataTooBig)
def _too_large(_request: HttpRequest, _error: RequestDataTooBig) -> HttpResponse:
    return problem(TooLarge("The request is larger than it may be."))


@api.exception_handler(Error)
def _storage(_request: HttpRequest, error: Error) -> HttpResponse:
    if not is_unavailable(error):
        raise error
    logger.warning("database does not answer", reason=str(error))
    return problem(StorageUnavailable(retry_after_seconds=RETRY_AFTER_SECONDS))
