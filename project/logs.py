"""Logging through structlog: one line an event, as text or JSON, with secrets taken out on the way."""

import logging
import re
from collections.abc import MutableMapping
from typing import Any

import structlog
from django.core.exceptions import DisallowedHost, PermissionDenied

# Keys as the common providers write them, bearer tokens, our own tokens and secrets, and values of fields with a
# telling name. The scheme of an Authorization header is not what is secret in it.
SECRET = re.compile(
    r"(?i)((?:authorization\W{1,4}(?:bearer|basic)|bearer)\s+|\blct_|\bwhsec_|\bsk-|\bkey-|api[-_]?key\W{1,4}"
    r"|x-api-key\W{1,4}|authorization\W{1,4}|password\W{1,4}|sessionid\W{1,4})[\w.~+/=-]{6,}"
)

# Whoever has such an address may enter: Django writes whole paths when it refuses something.
OPEN_DOOR = re.compile(r"(/(?:accounts/setup|share)/[\w-]{4})[\w-]+")


def redact(text: str) -> str:
    text = SECRET.sub(lambda found: found.group(1) + "…", text)
    return OPEN_DOOR.sub(lambda found: found.group(1) + "…", text)


def redact_event(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for name, value in event.items():
        if isinstance(value, str):
            event[name] = redact(value)
    return event


FIRST = ("timestamp", "level", "logger", "event")


def in_order(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """The same for each line: when, how grave, who, what; then all else by name."""
    first = {name: event[name] for name in FIRST if name in event}
    return first | {name: event[name] for name in sorted(event) if name not in first}


def refusal_in_one_line(record: logging.LogRecord) -> bool:
    """Who may not do something, or takes us for another site, is no error of ours: a line, and no traceback."""
    if record.exc_info and isinstance(record.exc_info[1], PermissionDenied | DisallowedHost):
        record.exc_info = None
    return True


def said_elsewhere(record: logging.LogRecord) -> bool:
    """False for uvicorn's traceback of a WebSocket's text that is none: our protocol says why it cuts a socket."""
    return record.msg != "Invalid UTF-8 sequence received from client."


def logging_config(*, level: str, form: str) -> dict[str, Any]:
    """A `logging.config` dictionary. `form` is `text` or `json`."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        redact_event,
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    rendering: list[Any] = (
        [in_order, structlog.processors.JSONRenderer()]
        if form == "json"
        else [structlog.dev.ConsoleRenderer(colors=False, pad_event_to=0, sort_keys=False)]
    )
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "lines": {
                "()": structlog.stdlib.ProcessorFormatter,
                "foreign_pre_chain": [structlog.stdlib.PositionalArgumentsFormatter(), *shared],
                "processors": [
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    redact_event,
                    *rendering,
                ],
            }
        },
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "lines"}},
        "root": {"handlers": ["stderr"], "level": "WARNING"},
        "loggers": {
            "chat": {"level": level},
            "project": {"level": level},
            "tools": {"level": level},
            "django": {"level": "WARNING"},
            "django.request": {"filters": [refusal_in_one_line]},
            "django.security.DisallowedHost": {"filters": [refusal_in_one_line]},
            "uvicorn.error": {"filters": [said_elsewhere]},
            # httpx prints whole URLs at INFO.
            "httpx": {"level": "WARNING"},
            "axes": {"level": "WARNING"},
            # At INFO it tells of every task, and what it returned, which is what people have written.
            "celery": {"level": "WARNING"},
            "celery.worker.consumer.connection": {"level": level},
            # A traceback a second while Redis is away; the event log says it in one line.
            "channels_redis.pubsub": {"level": "CRITICAL"},
            # The pool tells of every connection it gives and takes.
            "psycopg.pool": {"level": "WARNING"},
        },
    }
