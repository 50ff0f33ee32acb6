"""A model that asks for `ship`, and what comes of it."""

from chat.models import ToolInvocation
from tests.engine.tool_plays import asks_for, plays

CALL = ("ship", '{"to": "Ada"}')


async def ask_to_ship(chat, upstream, call=CALL):
    plays(upstream, asks_for(call))
    return await chat.ask("Send it")


async def row_of(chat, **more):
    return await chat.runtime.database(lambda: ToolInvocation.objects.get(name="ship", **more))


def told_to_the_model(upstream):
    return upstream.requests[1]["messages"][-1]["content"]


def ends(events):
    """How the calls have ended, each in its turn."""
    return [event["status"] for event in events if event["type"] == "tool.finished"]
