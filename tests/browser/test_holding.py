"""What must not slip away: the page itself, the place in it, the focus, and what was written."""

import re

import pytest
from playwright.async_api import expect

from tests.live import PASSWORD, words

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

FAST = "demo-n300-r0-d0"
SLOW = "demo-n400-r100-d0"
FOCUSED = "() => document.activeElement.id || document.activeElement.getAttribute('aria-label')"


async def long_talk(tab, turns=4):
    await tab.choose_model(FAST)
    for number in range(turns):
        await tab.say(f"Question {number}")
        await expect(tab.answers).to_have_count(number + 1)
        await tab.wait_for_end()


@pytest.mark.parametrize(("width", "height"), [(1280, 600), (390, 844)])
async def test_only_the_thread_scrolls(desk, alice, width, height):
    tab = await desk.tab(alice, width=width, height=height)
    await long_talk(tab)
    assert await tab.page.evaluate("document.scrollingElement.scrollHeight <= innerHeight")
    await tab.page.mouse.move(width / 2, 20)
    await tab.page.mouse.wheel(0, 2000)
    await tab.page.mouse.move(width / 2, height - 40)
    await tab.page.mouse.wheel(0, 2000)
    assert (
        await tab.page.evaluate(
            "scrollY + document.body.scrollTop + document.getElementById('app').scrollTop"
        )
        == 0
    )
    assert await tab.page.evaluate("document.getElementById('thread').scrollHeight > innerHeight")


async def test_a_reload_keeps_the_readers_place(desk, alice):
    tab = await desk.tab(alice, height=600)
    await long_talk(tab)
    asked = tab.page.get_by_text("Question 1", exact=True)
    await tab.page.evaluate("document.getElementById('thread').scrollTop = 0")
    await asked.evaluate("one => one.scrollIntoView({block: 'start'})")
    before = (await asked.bounding_box())["y"]
    await tab.page.reload()
    await tab.page.wait_for_timeout(300)
    assert abs((await asked.bounding_box())["y"] - before) <= 2
    await expect(tab.button("Jump to latest")).to_be_visible()
    await tab.button("Jump to latest").click()
    await expect(tab.button("Jump to latest")).to_be_hidden()
    await tab.page.reload()
    await expect(tab.answer.locator(".turn-foot")).to_be_in_viewport()


async def test_a_double_click_on_send_does_not_stop_the_answer(desk, alice):
    tab = await desk.tab(alice)
    await tab.choose_model(SLOW)
    await tab.message.fill("Count")
    await tab.page.locator("#send").dblclick()
    await tab.wait_for_text(300)
    await expect(tab.answer).to_have_attribute("data-status", "running")
    await expect(tab.message).to_be_focused()
    await tab.button("Stop (Esc)").click()
    await tab.wait_for_end("stopped")
    await expect(tab.message).to_be_focused()


async def test_the_focus_stays_where_the_work_is(desk, alice):
    tab = await desk.tab(alice)
    await tab.choose_model(FAST)
    assert await tab.page.evaluate(FOCUSED) == "model-picker"
    await tab.say("Once")
    await tab.wait_for_end()
    await tab.answer.get_by_role("button", name="Regenerate").click()
    await expect(tab.answer.locator(".pager")).to_contain_text("2/2")
    assert await tab.page.evaluate(FOCUSED) == "say"
    await tab.button("Previous answer").click()
    await expect(tab.answer.locator(".pager")).to_contain_text("1/2")
    assert await tab.page.evaluate(FOCUSED) == "Next answer"


async def test_the_drawer_gives_the_focus_back(desk, alice):
    tab = await desk.tab(alice, width=390, height=844)
    await tab.button("Conversations").click()
    await tab.page.keyboard.press("Escape")
    assert await tab.page.evaluate(FOCUSED) == "Conversations"


async def test_who_is_signed_out_elsewhere_keeps_the_draft_and_is_told(desk, alice):
    tab = await desk.tab(alice)
    await tab.choose_model(FAST)
    await tab.say("Before")
    await tab.wait_for_end()
    await tab.message.fill("What I was about to say")
    token = alice.http.cookies["csrftoken"]
    done = alice.http.post(
        "/accounts/logout/", data={"csrfmiddlewaretoken": token}, headers={"Referer": alice.site.url}
    )
    assert done.status_code == 302
    banner = tab.page.locator("#banner")
    await expect(banner).to_contain_text("You are signed out")
    await tab.message.press("Enter")
    await expect(tab.message).to_have_value("What I was about to say")
    await expect(tab.answers).to_have_count(1)
    await expect(banner.get_by_role("link", name="Sign in")).to_have_attribute(
        "href", re.compile(r"/accounts/login/\?next=%2Fc%2F")
    )


async def test_a_rename_that_fails_says_why_and_keeps_the_words(desk, alice):
    desk.forgiven = ("ERR_INTERNET_DISCONNECTED", "WebSocket")
    tab = await desk.tab(alice)
    await tab.choose_model(FAST)
    await tab.say("Old title")
    await tab.wait_for_end()
    await tab.button("More").click()
    await tab.page.get_by_role("menuitem", name="Rename").click()
    field = tab.page.get_by_label("Title")
    await field.fill("New title")
    await tab.page.context.set_offline(True)
    await tab.button("Rename").click()
    await expect(tab.page.locator("#rename-dialog [role=alert]")).to_contain_text("cannot be reached")
    await expect(field).to_have_value("New title")
    await tab.page.context.set_offline(False)
    await tab.button("Rename").click()
    await expect(tab.page.locator("#rename-dialog")).to_be_hidden()
    await expect(tab.page.locator("#title")).to_have_text("New title")


async def test_a_conversation_deleted_in_another_tab_says_so(desk, alice):
    desk.forgiven = ("404",)
    tab = await desk.tab(alice)
    await tab.choose_model(FAST)
    await tab.say("Soon gone")
    await tab.wait_for_end()
    other = await desk.open(tab.page.context, tab.page.url)
    await tab.message.fill("Still writing")
    await expect(other.answers).to_have_count(1)
    await other.button("More").click()
    await other.page.get_by_role("menuitem", name="Delete").click()
    await other.button("Delete").click()
    await expect(other.page.get_by_role("heading", name="What are you working on?")).to_be_visible()
    banner = tab.page.locator("#banner")
    await expect(banner).to_contain_text("This conversation was deleted.")
    await expect(tab.page.locator("#send")).to_be_disabled()
    await expect(tab.page.locator("#conversations")).not_to_contain_text("Soon gone")
    await banner.get_by_role("link", name="New chat").click()
    await expect(tab.message).to_have_value("Still writing")


async def test_a_new_password_keeps_this_browsers_tabs_and_ends_all_others(desk, mortal_site):
    person = mortal_site.sign_in("bob")
    tab = await desk.tab(person)
    other = await desk.open(tab.page.context)
    elsewhere = await desk.tab(mortal_site.sign_in("bob"))
    await other.page.goto("/accounts/password/")
    fields = other.page.locator("input[type=password]")
    for place, text in enumerate((PASSWORD, PASSWORD + "!", PASSWORD + "!")):
        await fields.nth(place).fill(text)
    await fields.nth(2).press("Enter")
    await expect(elsewhere.page.locator("#banner")).to_contain_text("signed out", ignore_case=True)
    await expect(tab.page.locator("#banner")).to_be_hidden()
    await tab.choose_model("demo-n300-r0-d0")
    await tab.say("Still here")
    await tab.wait_for_end()
    assert await tab.text() == words(300).strip()


class Cable:
    """Between a tab and the server; to be pulled and plugged in again."""

    def __init__(self):
        self._lines = []
        self._pulled = False

    async def lead_through(self, page):
        await page.route_web_socket("**/ws/chat/", self._connect)
        await page.reload()

    async def pull(self):
        self._pulled = True
        for line in self._lines:
            await line.close(code=1001)

    def plug_in(self):
        self._pulled = False

    async def _connect(self, line):
        if self._pulled:
            await line.close(code=1001)
        else:
            line.connect_to_server()
            self._lines.append(line)


async def test_what_the_sidebar_was_not_told_while_the_line_was_away_it_asks_for(desk, alice):
    away, cable = await desk.tab(alice), Cable()
    await cable.lead_through(away.page)
    await away.choose_model(FAST)
    await away.say("The tab that goes away")
    await away.wait_for_end()
    there = await desk.tab(alice)
    await there.choose_model(SLOW)
    await there.say("It ends unseen")
    ended = away.page.locator("#conversations .nav-item", has_text="It ends unseen")
    await expect(ended.locator('[data-kind="running"]')).to_be_visible()
    await cable.pull()
    await there.wait_for_end()
    await there.page.get_by_role("link", name="New chat").first.click()
    await there.choose_model(SLOW)
    await there.say("It begins unseen")
    await there.wait_for_text(10)
    cable.plug_in()
    await expect(ended.locator('[data-kind="unread"]')).to_be_visible()
    begun = away.page.locator("#conversations .nav-item", has_text="It begins unseen")
    await expect(begun.locator('[data-kind="running"]')).to_be_visible()
    await there.wait_for_end()
    await expect(begun.locator('[data-kind="unread"]')).to_be_visible()
    await expect(away.answers).to_have_count(1)
