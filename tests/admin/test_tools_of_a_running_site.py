"""Staff change a tool in the admin of a site that runs: the next question is answered as it is set now."""

import asyncio
import re
import time
import uuid
from typing import Any

from tests.live import PASSWORD, LiveSite, Person

MAKE_STAFF = f"""
from chat.models import User
User.objects.create_superuser("ada", "ada@example.org", {PASSWORD!r})
"""
ASKED = 'call:calculate {"expression": "6*7"}'


async def answered(tab: Any, *, until: str = "run.finished") -> list[dict[str, Any]]:
    """The events of one question, up to the first of a type."""
    reply = await tab.ask(
        "run.start",
        key=str(uuid.uuid4()),
        models=["demo/demo"],
        content=[{"type": "text", "text": ASKED}],
    )
    assert reply["ok"], reply
    run = reply["run"]
    await tab.ask("run.follow", run=run, after=None)
    return [frame["event"] for frame in await tab.events(run, until=until)]


def save(staff: Person, name: str, **changes: str) -> None:
    listed = staff.http.get("/admin/tools/toolsetting/").text
    found = re.search(rf'href="(/admin/tools/toolsetting/\d+/change/[^"]*)">{name}</a>', listed)
    assert found, listed
    empty = dict.fromkeys(
        ("description", "timeout_seconds", "retries", "needs_approval", "max_result_bytes"), ""
    )
    form = {**empty, "csrfmiddlewaretoken": staff.http.cookies["csrftoken"], **changes}
    answer = staff.http.post(found[1], data=form, headers={"Referer": staff.site.url})
    assert answer.status_code == 302, answer.text


def kinds(events: list[dict[str, Any]]) -> set[str]:
    return {event["type"] for event in events}


async def test_a_tool_is_switched_off_and_then_asks_first(mortal_site: LiveSite):
    mortal_site.manage("shell", "-v0", "-c", MAKE_STAFF)
    staff = mortal_site.sign_in("ada")
    async with mortal_site.sign_in("alice").socket() as tab:
        assert "tool.finished" in kinds(await answered(tab))

        save(staff, "calculate")  # the box is not ticked: off
        began = time.monotonic()
        while "tool.started" in kinds(await answered(tab)):
            # A second is promised; the machine may be busy.
            assert time.monotonic() - began < 10
            await asyncio.sleep(0.1)

        save(staff, "calculate", enabled="on", needs_approval="True")
        while "tool.started" not in kinds(events := await answered(tab, until="step.finished")):
            assert time.monotonic() - began < 20
            await asyncio.sleep(0.1)
        assert "tool.finished" not in kinds(events)
