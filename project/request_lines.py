"""Lines that are logged while a request is answered say which; and one line for each request once it is answered."""

import re
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final
from uuid import UUID, uuid4

import structlog
from django.conf import settings
from structlog.contextvars import bound_contextvars

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

HEADER: Final = b"x-request-id"
SANE: Final = re.compile(rb"[A-Za-z0-9._:+/=-]{1,128}")
LONGEST_PATH: Final = 300
TELLING_LENGTH: Final = 20
"""A part of a path that is as long and no UUID may open something for whoever has it: a link to set up, or to share."""

logger = structlog.get_logger(__name__)


class RequestLines:
    """Takes `X-Request-ID` from in front where it is sane, else makes one, and sends it back."""

    def __init__(self, application: Application, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._application = application
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        given = request_id(scope)
        began, status = self._clock(), 0

        async def answer(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {**message, "headers": [*message.get("headers", ()), (HEADER, given.encode())]}
            await send(message)

        with bound_contextvars(request_id=given, method=scope["method"], path=shown(scope["path"])):
            try:
                await self._application(scope, receive, answer)
            finally:
                if settings.ACCESS_LOG and not scope["path"].startswith(settings.STATIC_URL):
                    # Status 0: whoever asked went away before there was an answer.
                    logger.info(
                        "request", status=status, duration_ms=round((self._clock() - began) * 1000, 1)
                    )


def request_id(scope: Scope) -> str:
    given = next((bytes(value) for name, value in scope["headers"] if name == HEADER), b"")
    return given.decode() if SANE.fullmatch(given) else uuid4().hex


def shown(path: str) -> str:
    """The path as it may stand in a log."""
    readable = "".join(
        one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in path[:LONGEST_PATH]
    )
    return "/".join(_shown_part(part) for part in readable.split("/"))


def _shown_part(part: str) -> str:
    if len(part) < TELLING_LENGTH:
        return part
    try:
        UUID(part)
    except ValueError:
        return f"{part[:4]}…"
    return part
