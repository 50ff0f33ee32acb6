"""Finds words in conversations by reading them, the newest first: no index, so that it ends at a limit and says so.

Words are compared in Python: SQLite folds the case of ASCII alone, and texts are stored inside of JSON. They may stand
in any order, each anywhere, within a word too: Chinese puts no spaces between its words.
"""

import unicodedata
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from msgspec import Struct

from chat.models import Message
from chat.models.conversations import ConversationQuerySet, text_of

MOST_CONVERSATIONS: Final = 2_000
MOST_MESSAGES: Final = 10_000
AT_ONCE: Final = 20
"""Messages whose texts are in memory."""
MOST_WORDS: Final = 10
AROUND: Final = 100
"""Characters of a snippet on each side of the first word."""


class Hit(Struct, frozen=True):
    """`message` None: the words are in the title."""

    conversation: UUID
    title: str
    when: datetime
    message: UUID | None = None
    role: str = ""
    snippet: str = ""


class Search:
    """One search, within limits."""

    def __init__(
        self,
        conversations: ConversationQuerySet,
        query: str,
        *,
        seconds: float,
        clock: Callable[[], float],
        each: Callable[[], None],
    ) -> None:
        """`conversations` are those that whoever searches may see. `each` is called before each of them, and may raise
        to end it."""
        self._conversations = conversations
        self._words = folded(query).split()[:MOST_WORDS]
        self._until = clock() + seconds
        self._clock = clock
        self._each = each
        self._conversations_read = 0
        self._messages_read = 0
        self.left_out = ""
        """What was not looked at, in words."""

    def newest(self, limit: int) -> list[Hit]:
        """One hit a conversation, in the order in which something was last said in them."""
        newest = self._conversations.order_by("-updated_at", "-id").values_list("id", "title", "updated_at")
        rows = newest[: MOST_CONVERSATIONS + 1] if self._words else []
        hits: list[Hit] = []
        for row in rows:
            self._each()
            if len(hits) == limit:
                self.left_out = f"These are the newest {limit}. There may be more, in older conversations."
                break
            if self._conversations_read == MOST_CONVERSATIONS:
                self._end_early()
                break
            self._conversations_read += 1
            if (hit := self._found_in(*row)) is not None:
                hits.append(hit)
            if self.left_out:
                break
        return hits

    def _found_in(self, key: UUID, title: str, when: datetime) -> Hit | None:
        """The newest message that has, with the title, all words, and one of them itself; else the title alone."""
        in_title = folded(title)
        missing = [word for word in self._words if word not in in_title]
        for message, role, said_at, parts in self._messages(key):
            text = text_of(parts)
            whole = folded(text)
            here = [word for word in missing or self._words if word in whole]
            if here and len(here) >= len(missing):
                return Hit(key, title, said_at, message, role, snippet(text, here[0]))
        return None if missing else Hit(key, title, when)

    def _messages(self, conversation: UUID) -> Iterator[tuple[UUID, str, datetime, list[dict[str, Any]]]]:
        """The newest first, on all branches; a few at once are in memory."""
        all_of_it = rows = Message.objects.filter(conversation=conversation).order_by("-id")
        while True:
            if self._messages_read >= MOST_MESSAGES or self._clock() >= self._until:
                self._end_early()
                return
            page = list(rows.values_list("id", "role", "created_at", "parts")[:AT_ONCE])
            self._messages_read += len(page)
            yield from page
            if len(page) < AT_ONCE:
                return
            rows = all_of_it.filter(id__lt=page[-1][0])

    def _end_early(self) -> None:
        self.left_out = (
            f"The search ended at its limit. Conversations searched, the newest first: {self._conversations_read}. "
            "There may be older ones."
        )


def folded(text: str) -> str:
    """For comparing: without case, and with wide, narrow and composed characters as one."""
    return unicodedata.normalize("NFKC", text).casefold()


def snippet(text: str, word: str) -> str:
    """What stands around a folded word, on one line."""
    line = " ".join(unicodedata.normalize("NFKC", text).split())
    at = _place(line, word)
    begin, end = max(0, at - AROUND), at + len(word) + AROUND
    return ("…" if begin else "") + line[begin:end].strip() + ("…" if end < len(line) else "")


def _place(line: str, word: str) -> int:
    whole = line.casefold()
    at = max(0, whole.find(word))
    if len(whole) == len(line):
        return at
    # Some characters become two or three (ß), none becomes none.
    length = 0
    for place, character in enumerate(line):
        length += len(character.casefold())
        if length > at:
            return place
    return 0
