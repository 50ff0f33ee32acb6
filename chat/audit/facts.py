"""What is appended to the audit log, as whoever tells of it says it."""

from typing import Any, Final
from uuid import UUID

from msgspec import Struct

LOOK: Final = "look"
DOWNLOAD: Final = "download"
SEARCH: Final = "search"
FOUND: Final = "found"
"""A search has shown some words of it."""
ADD: Final = "add"
CHANGE: Final = "change"
DELETE: Final = "delete"
SIGN_IN: Final = "sign_in"
ACTIONS: Final = (LOOK, DOWNLOAD, SEARCH, FOUND, ADD, CHANGE, DELETE, SIGN_IN)

LOOKS: Final = (LOOK, DOWNLOAD, FOUND)
"""Those that have shown somebody's words to somebody else."""


class Fact(Struct, frozen=True, kw_only=True):
    """`actor` and `subject` are pseudonyms, `key` is an id (of a person: the pseudonym). No name, no title and no
    content goes into any of it; a reason and a query are the words of the actor."""

    action: str
    kind: str
    key: str = ""
    actor: UUID | None = None
    subject: UUID | None = None
    reason: str = ""
    details: dict[str, Any] = {}
