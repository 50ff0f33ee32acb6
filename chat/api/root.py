"""The REST API: routers, who may call, and how errors look (RFC 9457 problem details)."""

from typing import Any

import structlog
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, ValidationError
from ninja.security import django_auth

from chat.api.conversations import router as conversations
from chat.exceptions import ChatError, InvalidRequest, SignedOut, StorageUnavailable

logger = structlog.get_logger(__name__)

# Session sign-in checks the CSRF token on every unsafe method.
api = NinjaAPI(
    title="Lectern", version="1", auth=[django_auth], openapi_url="/openapi.json", docs_url="/docs"
)
api.add_router("/conversations", conversations)


def problem(error: ChatError) -> HttpResponse:
    """`application/problem+json` with the error's code."""
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": str(error),
        "status": error.http_status,
        "code": error.code,
        "retryable": error.retryable,
    }
    if error.field:
        body["field"] = error.field
    response = JsonResponse(body, status=error.http_status, content_type="application/problem+json")
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
    refused = InvalidRequest(error.message)
    response = problem(refused)
    response.status_code = error.status_code
    return response


@api.exception_handler(OperationalError)
@api.exception_handler(InterfaceError)
def _storage(_request: HttpRequest, error: OperationalError | InterfaceError) -> HttpResponse:
    logger.warning("database does not answer", reason=str(error))
    return problem(StorageUnavailable(retry_after_seconds=2))
