"""Tools over what the product itself keeps, found by the registry as those of every other app are."""

from typing import Annotated, Any
from uuid import UUID

from msgspec import Meta

from chat.models import Conversation, ToolInvocation, User
from chat.search import Hit, Search
from tools.base import tool
from tools.context import ToolContext
from tools.exceptions import ToolFailed

SEARCH_SECONDS = 5.0
"""Of its thirty: what has been found by then is told."""


@tool(idempotent=True)
def search_conversations(
    query: Annotated[str, Meta(min_length=1, max_length=200)],
    context: ToolContext,
    limit: Annotated[int, Meta(ge=1, le=20)] = 5,
) -> dict[str, Any]:
    """Searches the user's own other conversations, the newest first, and shows where in each the words stand.

    Args:
        query: words that all must be in a conversation's title or in one of its messages, in any order.
        limit: how many conversations at most.
    """
    user = User.objects.filter(pk=_uuid(context.caller.user_id), is_active=True).first()
    if user is None:
        raise ToolFailed("There is nobody whose conversations could be searched.")
    theirs = Conversation.objects.visible_to(user)
    asking = ToolInvocation.objects.visible_to(user).filter(pk=_uuid(context.invocation_id))
    search = Search(
        theirs.exclude(pk__in=asking.values("conversation")),
        query,
        seconds=SEARCH_SECONDS,
        clock=context.clock,
        each=context.check,
    )
    answer: dict[str, Any] = {"found": [_told(hit) for hit in search.newest(limit)]}
    if search.left_out:
        answer["note"] = search.left_out
    return answer


def _told(hit: Hit) -> dict[str, Any]:
    told = {
        "title": hit.title,
        "when": hit.when.isoformat(timespec="seconds"),
        "link": f"/c/{hit.conversation}/",
    }
    if hit.message is not None:
        told |= {"message": str(hit.message), "said_by": hit.role, "snippet": hit.snippet}
    return told


def _uuid(text: str) -> UUID:
    """Of nobody and nothing, where it is none: who calls a tool by hand need not say who."""
    try:
        return UUID(text)
    except ValueError:
        return UUID(int=0)
