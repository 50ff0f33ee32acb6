"""What somebody wants to send, held against the rules before it is stored: all texts, and the system prompt."""

from typing import Any
from uuid import UUID

from msgspec import Struct

from chat.engine.rules_in_force import hit_row, rules_in_force, write_hits
from chat.exceptions import ModerationBlocked
from chat.models import Message, Run, User
from chat.moderation.stream_filter import Hit
from chat.moderation.whole import Ruled, ruled_text

Parts = list[dict[str, Any]]


class Found(Struct, frozen=True):
    """What rules have found, and in which part."""

    user: UUID
    hits: tuple[tuple[str, Hit], ...] = ()

    def write(self, run: Run | None = None, message: Message | None = None) -> None:
        """With what was sent; alone where nothing was."""
        if self.hits:
            columns = {"where": "input", "user_id": self.user, "run": run, "message": message}
            write_hits([hit_row(hit, part=part, **columns) for part, hit in self.hits])


def moderated(
    user: User, parts: Parts | None, options: dict[str, Any]
) -> tuple[Parts | None, dict[str, Any], Found]:
    """As it is stored and sent. What ends a text refuses it.

    Raises:
        ModerationBlocked: the words say by which rule.
    """
    rules = rules_in_force().for_user(user.pk).input
    if rules is None:
        return parts, options, Found(user.pk)
    hits: list[tuple[str, Hit]] = []

    def ruled(text: str, part: str) -> str:
        found: Ruled = ruled_text(text, rules)
        hits.extend((part, hit) for hit in found.hits)
        if found.ended_by is not None:
            Found(user.pk, tuple(hits)).write()
            field = "content" if part == "text" else "options.system"
            raise ModerationBlocked(
                f"The rule “{found.ended_by.name}” of this site forbids what it says.", field=field
            )
        return str(found.value)

    if parts is not None:
        parts = [{**part, "text": ruled(part["text"], "text")} if "text" in part else part for part in parts]
    if isinstance(system := options.get("system"), str):
        options = {**options, "system": ruled(system, "system")}
    return parts, options, Found(user.pk, tuple(hits))
