"""Every error of the product on one page, sorted by what the caller does next.

An edge (WebSocket, REST, page) translates a `ChatError` once, by its class attributes:
`code` (the wire name), `retryable`, `http_status`, and `str(error)`, a sentence fit for users.
What only staff should read goes into `detail`.
"""

from datetime import datetime
from typing import ClassVar


class ChatError(Exception):
    """Root of the tree. Never raised itself."""

    code: ClassVar[str] = "internal"
    retryable: ClassVar[bool] = False
    http_status: ClassVar[int] = 500
    message: ClassVar[str] = "Something went wrong on our side."

    def __init__(
        self,
        message: str = "",
        *,
        detail: str = "",
        field: str = "",
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(message or self.message)
        self.detail = detail
        self.field = field
        self.retry_after_seconds = retry_after_seconds


# --- change the request ---------------------------------------------------------------------------


class InvalidRequest(ChatError):
    """The same request will fail again; change it."""

    code = "bad_frame"
    http_status = 400
    message = "That cannot be done."


class BadFrame(InvalidRequest):
    code = "bad_frame"
    message = "That command could not be read."


class BadCursor(InvalidRequest):
    code = "bad_cursor"
    message = "That cursor could not be read."


class NotFound(InvalidRequest):
    """Absent and not-yours look alike."""

    code = "not_found"
    http_status = 404
    message = "Not found."


class Gone(InvalidRequest):
    """It was there, and is over."""

    code = "gone"
    http_status = 410
    message = "That is over."


class FileGone(InvalidRequest):
    """There was one, and it is yours; its bytes are not there any more."""

    code = "file_gone"
    http_status = 410
    message = "This file is not kept any more."


class TooLarge(InvalidRequest):
    code = "too_large"
    http_status = 413
    message = "That is too large."


class AlreadyDecided(InvalidRequest):
    code = "already_decided"
    http_status = 409
    message = "This has been decided already."


class ModelNotAvailable(InvalidRequest):
    code = "model_not_available"
    http_status = 422
    message = "That model is not available."


class ModerationBlocked(InvalidRequest):
    code = "moderation_blocked"
    http_status = 422
    message = "That was blocked by a rule of this site."


class ToolLimit(InvalidRequest):
    code = "tool_limit"
    http_status = 422
    message = "The answer went as far by itself as it may."


# --- sign in, or ask someone ----------------------------------------------------------------------


class NotAllowed(ChatError):
    http_status = 403


class SignedOut(NotAllowed):
    code = "signed_out"
    http_status = 401
    message = "Please sign in again."


class Forbidden(NotAllowed):
    code = "forbidden"
    message = "You may not do that."


class BadSignature(NotAllowed):
    """Of a webhook. Whoever sent it is told no more than this."""

    code = "bad_signature"
    http_status = 401
    message = "The signature does not fit."


# --- wait, then try again -------------------------------------------------------------------------


class TryLater(ChatError):
    retryable = True
    http_status = 429


class RateLimited(TryLater):
    code = "rate_limited"
    message = "Too many requests. Please wait a moment."


class UsedUp(TryLater):
    """Of what somebody may use. `resets_at` is when it begins anew; None where it does not by itself."""

    def __init__(
        self,
        message: str = "",
        *,
        retry_after_seconds: float | None = None,
        resets_at: datetime | None = None,
    ) -> None:
        super().__init__(message, retry_after_seconds=retry_after_seconds)
        self.resets_at = resets_at


class QuotaExceeded(UsedUp):
    code = "quota_exceeded"
    message = "Your quota is used up."


class BudgetExceeded(UsedUp):
    code = "budget_exceeded"
    message = "Your budget is used up."


class StorageUnavailable(TryLater):
    code = "storage_unavailable"
    http_status = 503
    message = "The database does not answer. Please try again."


class Draining(TryLater):
    code = "draining"
    http_status = 503
    message = "The server is restarting. Please try again."


# --- the provider failed: offer a retry -----------------------------------------------------------


class ProviderError(ChatError):
    """A model call ended without a whole answer. What had arrived is kept.

    `status` is the HTTP status upstream, None when there was none; `upstream_code` the provider's own word
    for what happened, as it stood on the wire.
    """

    http_status = 502

    def __init__(
        self,
        message: str = "",
        *,
        detail: str = "",
        status: int | None = None,
        upstream_code: str | int | None = None,
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(message, detail=detail, retry_after_seconds=retry_after_seconds)
        self.status = status
        self.upstream_code = upstream_code


class ProviderAuth(ProviderError):
    code = "provider_auth"
    message = "The provider refused our key. An administrator has to look at it."


class ProviderRejected(ProviderError):
    code = "provider_rejected"
    message = "The provider refused the request."


class ContextTooLong(ProviderRejected):
    code = "context_too_long"
    http_status = 422
    message = "The conversation is longer than this model can read."


class ProviderOverloaded(ProviderError):
    code = "provider_overloaded"
    retryable = True
    message = "The provider is overloaded."


class LeftAlone(ProviderOverloaded):
    """Not the provider's word but our breaker's. `phase`: `left_alone` after failures, `switched_off` by staff."""

    def __init__(self, phase: str, *, retry_after_seconds: float | None = None, detail: str = "") -> None:
        super().__init__(
            "The provider has failed several times in a row and is left alone for a moment."
            if phase == "left_alone"
            else "The provider is switched off for now.",
            detail=detail,
            retry_after_seconds=retry_after_seconds,
        )
        self.phase = phase


class ProviderTimeout(ProviderError):
    """`phase` is one of `connect`, `first_token`, `idle`, `total`."""

    code = "provider_timeout"
    retryable = True
    http_status = 504
    message = "The provider did not answer in time."

    def __init__(self, phase: str, *, detail: str = "") -> None:
        super().__init__(detail=detail)
        self.phase = phase


class ProviderCut(ProviderError):
    code = "provider_cut"
    retryable = True
    message = "The provider cut the line before the answer was whole."


class ProviderGarbage(ProviderError):
    code = "provider_garbage"
    retryable = True
    message = "The provider sent something that is no answer."


# --- nobody can do anything now -------------------------------------------------------------------


class Internal(ChatError):
    code = "internal"
    retryable = True


# --- not for users: control flow of the engine ----------------------------------------------------


class StaleEpoch(Exception):
    """Another process has claimed the run since; stop writing at once."""
