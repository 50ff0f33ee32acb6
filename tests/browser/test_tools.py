"""Tools as a person sees them: cards that grow, end and stay, and what is decided in place."""

import re
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.async_api import Locator, expect

from tests.asking_tools import plug_in
from tests.browser.tab import Tab
from tests.live import PASSWORD, LiveSite, serving

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

ASK = (
    'call:send_message {"to": "bob@example.org", "subject": "Minutes", "copies": 2, "urgent": false,'
    ' "labels": ["board"]}'
)


@pytest.fixture(scope="session")
def storehouse(prepared_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveSite]:
    """A site with a plug-in, whose tools ask first, take their time, or fail."""
    settings = plug_in(tmp_path_factory.mktemp("plug-in"))
    with serving(prepared_folder, tmp_path_factory.mktemp("storehouse") / "data", **settings) as live:
        yield live


def card(tab: Tab, name: str) -> Locator:
    """A group that has the tool's name."""
    return tab.answer.get_by_role("group", name=name, exact=True)


async def ask(desk, site: LiveSite, words: str) -> Tab:
    tab = await desk.tab(site.sign_in("alice"))
    await tab.choose_model("demo")
    await tab.say(words)
    return tab


async def turns(tab: Tab) -> list[str]:
    return [await turn.inner_text() for turn in await tab.page.locator(".turn").all()]


async def test_calls_of_a_step_stand_together_each_with_its_end_and_read_the_same_after_a_reload(
    desk, storehouse
):
    words = (
        'call:calculate {"expression": "6*7"} call:count_boxes {"seconds": 2} call:open_gate {"number": 4}'
    )
    tab = await ask(desk, storehouse, words)
    boxes = card(tab, "count_boxes")
    await expect(boxes.locator(".tool-gist")).to_have_text(re.compile(r"Shelf \d+ of 10"))
    await expect(boxes.get_by_role("progressbar", name="Progress of count_boxes")).to_be_visible()
    await expect(boxes.locator(".tool-state")).to_contain_text("%")
    height = await boxes.evaluate("card => card.offsetHeight")
    await tab.wait_for_end()
    assert await boxes.evaluate("card => card.offsetHeight") == height
    await expect(tab.answer.locator(".tools")).to_have_count(1)
    await expect(boxes.get_by_role("progressbar")).to_have_count(0)
    for name in ("calculate", "count_boxes", "open_gate"):
        await card(tab, name).locator("> summary").click()
    await expect(card(tab, "open_gate")).to_contain_text("Gate 4 does not answer. The model was told so.")
    await card(tab, "calculate").get_by_text("Result").click()
    await expect(card(tab, "calculate").locator("pre")).to_have_text("42")
    live = await turns(tab)
    await tab.page.reload()
    for name in ("calculate", "count_boxes", "open_gate"):
        await card(tab, name).locator("> summary").click()
    await card(tab, "calculate").get_by_text("Result").click()
    assert await turns(tab) == live


async def test_a_call_that_failed_offers_another_answer_when_its_own_has_ended(desk, storehouse):
    tab = await ask(desk, storehouse, 'call:open_gate {"number": 4} call:count_boxes {"seconds": 3}')
    gate = card(tab, "open_gate")
    again = gate.get_by_role("button", name="Try again: ask for another answer")
    await gate.locator("> summary").click()
    await expect(gate).to_contain_text("Gate 4 does not answer.")
    await expect(again).to_have_count(0)  # the other call is at work
    await tab.wait_for_end()
    await expect(again).to_be_visible()
    await card(tab, "count_boxes").locator("> summary").click()
    await expect(tab.answer.get_by_role("button", name="Try again")).to_have_count(1)
    live = await turns(tab)
    await tab.page.reload()
    for name in ("open_gate", "count_boxes"):
        await card(tab, name).locator("> summary").click()
    assert await turns(tab) == live
    await again.press("Enter")
    await expect(tab.answer.get_by_text("2/2")).to_be_visible(timeout=20_000)
    await expect(tab.answers).to_have_count(1)
    await expect(tab.message).to_be_focused()


async def test_what_waits_is_decided_in_place_with_other_arguments(desk, storehouse):
    tab = await ask(desk, storehouse, ASK)
    asked = card(tab, "send_message")
    await expect(asked.locator(".tool-state")).to_have_text("Waits for you")
    await expect(tab.answer.locator(".turn-foot")).to_contain_text("Waits for your decision")
    await expect(tab.page.locator("#announcer")).to_have_text("send_message waits for your decision.")
    await expect(tab.message).to_be_focused()
    await expect(tab.page.locator("#conversations [aria-current] .dot")).to_have_attribute(
        "data-kind", "waiting"
    )
    await asked.get_by_label("copies").fill("three")
    await asked.get_by_role("button", name="Approve").click()
    await expect(asked.get_by_role("alert")).to_have_text("copies has to be a number.")
    await expect(asked.get_by_label("copies")).to_be_focused()
    await asked.get_by_label("copies").fill("3")
    await asked.get_by_label("urgent").check()
    await expect(asked).to_contain_text("Edited: copies, urgent")
    await asked.get_by_role("button", name="Approve").press("Enter")
    await tab.wait_for_end()
    await expect(asked.locator("> summary")).to_be_focused()
    await asked.locator("> summary").press("Enter")
    await expect(asked.locator(".facts").first).to_contain_text("3")
    await asked.get_by_text("Result").click()
    await expect(asked.locator("pre")).to_contain_text('"copies": 3')
    await expect(tab.page.locator("#conversations [aria-current] .dot")).to_have_count(0)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
async def test_a_long_line_of_a_result_scrolls_by_itself(desk, storehouse, width, theme):
    tab = await desk.tab(storehouse.sign_in("alice"), width=width, height=844, color_scheme=theme)
    await tab.choose_model("demo")
    await tab.say(f'call:send_message {{"to": "{"t" * 3000}", "subject": "Minutes"}}')
    await card(tab, "send_message").get_by_role("button", name="Approve").click()
    await tab.wait_for_end()
    asked = card(tab, "send_message")
    await asked.locator("> summary").click()
    await asked.get_by_text("Result").click()
    assert await _wider_than_the_card(asked) == []
    line = asked.locator("pre")
    assert await line.evaluate("pre => pre.scrollWidth > 10 * pre.clientWidth")
    assert await tab.page.evaluate("document.documentElement.scrollWidth") <= width


async def _wider_than_the_card(asked: Locator) -> list[str]:
    """What of it stands outside of its frame, where nobody can scroll to it."""
    return await asked.evaluate(
        """card => {
          card.open = true;
          const { left, right } = card.getBoundingClientRect();
          const stands = ({ left: from, right: to }) => from >= left - 1 && to <= right + 1;
          return [...card.querySelectorAll(".tool-body, .tool-body *")]
            .filter(one => one.offsetParent && !stands(one.getBoundingClientRect()))
            .map(one => one.outerHTML.slice(0, 60));
        }"""
    )


async def test_a_rejection_is_told_with_its_reason_and_escape_takes_only_the_question_back(desk, storehouse):
    tab = await ask(desk, storehouse, ASK)
    asked = card(tab, "send_message")
    await asked.get_by_role("button", name="Reject").click()
    await asked.get_by_label("Reason").press("Escape")
    await expect(asked.get_by_role("button", name="Reject")).to_be_focused()
    await asked.get_by_role("button", name="Reject").press("Enter")
    await asked.get_by_label("Reason").fill("Not before May.")
    await asked.get_by_label("Reason").press("Enter")
    await tab.wait_for_end()
    await expect(asked.locator(".tool-state")).to_have_text("Rejected")
    await asked.locator("> summary").click()
    await expect(asked).to_contain_text("“Not before May.” You said no.")


async def test_arguments_can_be_edited_as_json_and_what_is_none_is_said(desk, storehouse):
    tab = await ask(desk, storehouse, ASK)
    asked = card(tab, "send_message")
    await asked.get_by_label("subject").fill("Minutes of May")
    await asked.get_by_role("button", name="As JSON").click()
    raw = asked.get_by_label("arguments")
    await expect(raw).to_have_value(re.compile('"subject": "Minutes of May"'))
    await raw.fill('{"to": ')
    await asked.get_by_role("button", name="Approve").click()
    await expect(asked.get_by_role("alert")).to_have_text("This is not JSON.")
    await raw.fill('{"to": "eve@example.org", "subject": 5}')
    await asked.get_by_role("button", name="Approve").click()
    await expect(asked.get_by_role("alert")).to_contain_text("subject")
    await raw.fill('{"to": "eve@example.org", "subject": "Hello"}')
    await asked.get_by_role("button", name="Approve").click()
    await tab.wait_for_end()
    await asked.locator("> summary").click()
    await expect(asked.locator(".facts").first).to_contain_text("eve@example.org")


async def test_it_waits_across_a_reload_and_another_tab_follows_what_is_decided(desk, storehouse):
    one = await ask(desk, storehouse, ASK)
    await card(one, "send_message").get_by_role("button", name="Approve").wait_for()
    other = await desk.open(one.page.context, one.page.url)
    await one.page.reload()
    elsewhere = await desk.open(one.page.context, "/")
    await expect(elsewhere.page.locator("#conversations .dot[data-kind=waiting]")).to_have_count(1)
    for tab in (one, other):
        await expect(card(tab, "send_message").get_by_label("copies")).to_have_value("2")
    await card(other, "send_message").get_by_role("button", name="Approve").click()
    for tab in (one, other):
        await tab.wait_for_end()
        await expect(card(tab, "send_message").locator("form")).to_have_count(0)
    assert await turns(one) == await turns(other)
    await expect(elsewhere.page.locator("#conversations .dot[data-kind=waiting]")).to_have_count(0)


async def test_other_tabs_show_that_somebody_is_waited_for_until_all_is_decided(desk, storehouse):
    one = await ask(
        desk, storehouse, ASK + ' call:send_message {"to": "eve@example.org", "subject": "Agenda"}'
    )
    elsewhere = await desk.open(one.page.context, "/")
    dot = elsewhere.page.locator("#conversations a", has_text="call:send_message").first.locator(".dot")
    await expect(dot).to_have_attribute("data-kind", "waiting")
    approve = one.answer.get_by_role("button", name="Approve")
    await expect(approve).to_have_count(2)
    async with elsewhere.page.expect_response("**/*"):  # the list, anew
        await approve.first.click()
    await expect(approve).to_have_count(1)
    await expect(dot).to_have_attribute("data-kind", "waiting")
    await approve.click()
    await one.wait_for_end()
    await expect(dot).to_have_attribute("data-kind", "unread")


async def test_the_first_of_two_answers_that_ends_elsewhere_leaves_the_dot_of_the_one_that_waits(
    desk, storehouse
):
    person = storehouse.sign_in("alice")
    tab = await desk.tab(person)
    async with person.socket() as program:
        async with tab.page.expect_response("**/*"):  # the list, anew, because this conversation is not in it
            reply = await program.ask(
                "run.start",
                key=str(uuid.uuid4()),
                models=["demo/demo", "demo/demo-n200-r100-d20"],
                content=[{"type": "text", "text": ASK}],
            )
        waits, ends = (run["run"] for run in reply["runs"])
        dot = tab.page.locator(f"[data-conversation='{reply['conversation']}'] .dot")
        await expect(dot).to_have_attribute("data-kind", "waiting")
        async with tab.page.expect_response("**/*"):  # the list, anew
            await program.events(ends)
        await expect(dot).to_have_attribute("data-kind", "waiting")
        await tab.page.reload()
        await expect(dot).to_have_attribute("data-kind", "waiting")
        await program.ask("run.stop", run=waits)
        await expect(dot).to_have_attribute("data-kind", "unread")


async def test_how_far_a_call_is_and_since_when_stays_over_a_reload_while_its_run_is_parked(desk, storehouse):
    person = storehouse.sign_in("alice")
    tab = await desk.tab(person)
    async with person.socket() as program:
        reply = await program.ask(
            "run.start",
            key=str(uuid.uuid4()),
            models=["demo/demo"],
            content=[{"type": "text", "text": 'call:open_door {"number": 4}'}],
            options={"client_tools": [{"name": "open_door"}]},
        )
        await program.events(reply["run"], until="tool.waiting")
        while not any(frame.get("name") == "invocation.waiting" for frame in program.seen):
            await program.next()
    told = "fraction=0.4, note='The hinge', created_at=Now() - timedelta(minutes=5)"
    storehouse.manage(
        "shell",
        "-c",
        "from datetime import timedelta; from django.db.models.functions import Now;"
        "from chat.models import ToolInvocation as T;"
        f"T.objects.filter(status='waiting', kind='client').update({told})",
    )
    await tab.page.goto(f"/c/{reply['conversation']}/")
    await expect(tab.answer.locator(".turn-foot")).to_contain_text("Waits for an answer from elsewhere")
    await tab.page.wait_for_timeout(2500)  # the script has taken over what the server drew
    door = card(tab, "open_door")
    await expect(door.locator(".tool-gist")).to_have_text("The hinge")
    await expect(door.get_by_role("progressbar")).to_have_js_property("value", 0.4)
    await expect(door.locator(".tool-state")).to_have_text("40 % · 5 min")


async def test_a_call_that_waits_for_its_caller_asks_nobody_in_front_of_a_screen(desk, storehouse):
    person = storehouse.sign_in("alice")
    tab = await desk.tab(person)
    async with person.socket() as program:
        reply = await program.ask(
            "run.start",
            key=str(uuid.uuid4()),
            models=["demo/demo"],
            content=[{"type": "text", "text": "call:open_door {}"}],
            options={"client_tools": [{"name": "open_door"}]},
        )
        await program.events(reply["run"], until="tool.waiting")
        while not any(frame.get("name") == "invocation.waiting" for frame in program.seen):
            await program.next()
    dot = tab.page.locator(f"[data-conversation='{reply['conversation']}'] .dot")
    await expect(dot).to_have_attribute("data-kind", "running")
    await tab.page.reload()
    await expect(dot).to_have_attribute("data-kind", "running")


async def test_stop_takes_back_what_waits(desk, storehouse):
    tab = await ask(desk, storehouse, ASK)
    asked = card(tab, "send_message")
    await asked.get_by_role("button", name="Approve").wait_for()
    await tab.button("Stop (Esc)").click()
    await tab.wait_for_end("stopped")
    await expect(asked.locator(".tool-state")).to_have_text("Cancelled")
    await expect(asked.locator("form")).to_have_count(0)
    live = await turns(tab)
    await tab.page.reload()
    assert await turns(tab) == live


async def test_the_details_tell_each_step_with_its_tools(desk, storehouse):
    tab = await ask(desk, storehouse, 'call:calculate {"expression": "6*7"}')
    await tab.wait_for_end()
    await tab.answer.get_by_role("button", name="Details").click()
    attempts = tab.answer.locator(".attempts")
    await expect(attempts.get_by_role("heading")).to_have_text("2 steps, 2 attempts")
    lines = attempts.get_by_role("listitem")
    await expect(lines).to_have_count(3)
    await expect(lines.nth(0)).to_contain_text("Step 1")
    await expect(lines.nth(1)).to_contain_text("calculate")
    await expect(lines.nth(1)).to_contain_text("done")
    await expect(lines.nth(2)).to_contain_text("Step 2")


async def test_the_list_of_invocations_shows_all_its_columns(desk, storehouse):
    tab = await ask(desk, storehouse, 'call:calculate {"expression": "6*7"}')
    await tab.wait_for_end()
    storehouse.manage(
        "shell",
        "-c",
        f"from chat.models import User; User.objects.create_superuser('root', 'root@example.org', {PASSWORD!r})",
    )
    page = (await desk.tab(storehouse.sign_in("root"), "/admin/chat/toolinvocation/")).page
    results = page.locator("#changelist .results")
    assert await results.locator("td.field-worker").first.inner_text()
    assert await results.evaluate("box => box.scrollWidth - box.clientWidth") == 0
