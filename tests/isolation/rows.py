"""The matrix: what each route and each command of the socket gives whoever it is not for.

Whoever adds a route adds a row, under the path that the failing test names:

- `OWN` shows what is the caller's: who is not signed in is sent to sign in, others see nothing of Alice's.
- `HERS` names something of Alice's, by `keys` in the path, in `query` or in `body`: others are told that there is none.
- `OPEN` is for anybody, and `why` says so; it shows nothing of hers.
- `SIGNED` is for whoever signs, and refuses all else.
- `OFFICE` is a page of the administration: not for who is no staff, and refused to staff without the permission.
- `LOBBY` is one that all staff see.

The pages that every `ModelAdmin` has need no row: they are `OFFICE`, by `tests/isolation/test_routes.py`.
"""

from enum import Enum
from typing import Any, Final

from msgspec import Struct


class Kind(Enum):
    OWN = "own"
    HERS = "hers"
    OPEN = "open"
    SIGNED = "signed"
    OFFICE = "office"
    LOBBY = "lobby"


class Row(Struct, frozen=True):
    kind: Kind
    keys: dict[str, str] = {}
    """What stands for each parameter of the path: the name of something of hers (`world.py`), or a text."""
    query: str = ""
    """`{name}` stands for the id of something of hers."""
    body: Any = None
    why: str = ""


OWN, HERS, OPEN, SIGNED, OFFICE, LOBBY = Kind
ABSENT: Final = "019ad7c4-83e6-7ae3-bd7c-653244ef368b"

PAGES: Final[dict[str, Row]] = {
    "": Row(OWN),
    "favicon.ico": Row(OPEN, why="a redirect to a picture"),
    "c/<uuid:key>/": Row(HERS, {"key": "conversation"}),
    "c/<uuid:key>/attempts/<uuid:message>/": Row(HERS, {"key": "conversation", "message": "answer"}),
    "settings/looks/": Row(OWN),
    "accounts/login/": Row(OPEN, why="to sign in"),
    "accounts/logout/": Row(OPEN, why="ends one's own session, if there is one"),
    "accounts/password/": Row(OWN),
    "accounts/password/done/": Row(OWN),
    "accounts/sign-up/": Row(OPEN, why="to make an account, where the site lets anybody"),
    "accounts/setup/<str:token>/": Row(
        OPEN, {"token": "nonsense"}, why="whoever has the link makes the first account"
    ),
    "webhooks/invocations/<uuid:key>": Row(SIGNED, {"key": "invocation"}),
    "webhook/callback": Row(SIGNED),
}

ADMIN: Final[dict[str, Row]] = {
    "admin/": Row(LOBBY),
    "admin/login/": Row(OPEN, why="to sign in"),
    "admin/logout/": Row(OPEN, why="ends one's own session, if there is one"),
    "admin/password_change/": Row(LOBBY),
    "admin/password_change/done/": Row(LOBBY),
    "admin/autocomplete/": Row(OFFICE, query="app_label=chat&model_name=languagemodel&field_name=next_model"),
    "admin/jsi18n/": Row(LOBBY),
    "admin/r/<path:content_type_id>/<path:object_id>/": Row(
        OFFICE, {"content_type_id": "1", "object_id": "conversation"}
    ),
    "admin/chat/wirerecord/<uuid:key>/download/": Row(OFFICE, {"key": "record"}),
    "admin/chat/attachment/<uuid:key>/download/": Row(OFFICE, {"key": "attachment"}),
    "admin/chat/auditentry/open/": Row(OFFICE),
    "admin/chat/conversation/search/": Row(OFFICE, query="q=sings"),
    "admin/chat/provider/limits/": Row(OFFICE),
    "admin/chat/provider/limits/now/": Row(OFFICE),
    "admin/chat/provider/<uuid:key>/limits/": Row(OFFICE, {"key": ABSENT}),
    "admin/chat/provider/<uuid:key>/limits/now/": Row(OFFICE, {"key": ABSENT}),
    "admin/chat/provider/<uuid:key>/limits/breaker/": Row(OFFICE, {"key": ABSENT}),
    "admin/chat/run/<uuid:key>/events/": Row(OFFICE, {"key": "run"}),
    "admin/chat/user/<id>/password/": Row(OFFICE, {"id": "owner"}),
}
"""Beside those that every `ModelAdmin` has."""

REST: Final[dict[str, Row]] = {
    "GET /openapi.json": Row(OWN),
    "GET /attachments/{key}": Row(HERS, {"key": "attachment"}),
    "GET /conversations/{key}": Row(HERS, {"key": "conversation"}),
    "PATCH /conversations/{key}": Row(HERS, {"key": "conversation"}, body={"title": "mine now"}),
    "DELETE /conversations/{key}": Row(HERS, {"key": "conversation"}),
    "GET /invocations/{key}": Row(HERS, {"key": "invocation"}),
    "POST /invocations/{key}/decision": Row(HERS, {"key": "invocation"}, body={"decision": "approve"}),
    "POST /invocations/{key}/result": Row(HERS, {"key": "invocation"}, body={"result": 1}),
    "GET /usage": Row(OWN, query="group_by=day,model,user"),
    "GET /webhook-endpoints": Row(OWN),
    "POST /webhook-endpoints": Row(OWN, body={"url": "https://own.example/", "events": ["run.finished"]}),
    "DELETE /webhook-endpoints/{key}": Row(HERS, {"key": "endpoint"}),
    "POST /webhook-endpoints/{key}/secret": Row(HERS, {"key": "endpoint"}),
    "GET /webhook-deliveries": Row(HERS, query="endpoint={endpoint}"),
    "POST /webhook-deliveries/{key}/redeliver": Row(HERS, {"key": "delivery"}),
}
"""By method and path below `/api/v1`."""

COMMANDS: Final[dict[str, Row]] = {
    "run.start": Row(HERS, body={"conversation": "{conversation}", "parent": "{question}"}),
    "run.follow": Row(HERS, body={"run": "{run}"}),
    "run.unfollow": Row(OPEN, body={"run": "{run}"}, why="about what this socket follows, which is nothing"),
    "run.stop": Row(HERS, body={"run": "{run}"}),
    "invocation.decide": Row(HERS, body={"invocation": "{invocation}", "decision": "approve"}),
    "ack": Row(
        OPEN, body={"run": "{run}", "cursor": "1-1"}, why="about this socket's credit; it has no reply"
    ),
    "ping": Row(OPEN, why="is answered by pong"),
}
