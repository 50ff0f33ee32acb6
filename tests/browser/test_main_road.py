"""The main job as a person does it: sign in, write, watch, reload, stop, ask again."""

import re
import signal

import pytest
from playwright.async_api import expect

from tests.live import PASSWORD, words

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

SLOW = "demo-n400-r100-d0"
"""400 words in four seconds."""


def said(count):
    return words(count).strip()


async def test_sign_in_write_and_watch_the_answer_grow(desk, site):
    context = await desk.context(site)
    tab = await desk.open(context)
    await tab.page.get_by_label("User name or email").fill("alice")
    await tab.page.get_by_label("Password").fill(PASSWORD)
    await tab.button("Sign in").click()
    await expect(tab.page.get_by_role("heading", name="What are you working on?")).to_be_visible()
    await tab.choose_model(SLOW)
    await tab.say("Count for me")
    await tab.wait_for_text(20)
    first = await tab.text()
    await tab.wait_for_text(len(first) + 200)
    second = await tab.text()
    await tab.wait_for_end()
    assert said(400).startswith(first)
    assert said(400).startswith(second)
    assert await tab.text() == said(400)
    await expect(tab.page).to_have_url(re.compile(r"/c/[0-9a-f-]{36}/$"))
    await expect(tab.page.locator("#conversations [aria-current=page]")).to_have_text("Count for me")


async def test_a_reload_in_the_middle_loses_and_doubles_nothing(desk, alice):
    tab = await desk.tab(alice)
    await tab.choose_model(SLOW)
    await tab.say("Count")
    await tab.wait_for_text(150)
    await tab.page.reload()
    await tab.wait_for_text(300)
    assert said(400).startswith(await tab.text())
    await tab.page.reload()
    await tab.wait_for_end()
    assert await tab.text() == said(400)
    await tab.page.reload()
    assert await tab.text() == said(400)
    await expect(tab.answers).to_have_count(1)


async def test_two_tabs_agree(desk, alice):
    one = await desk.tab(alice)
    await one.choose_model(SLOW)
    await one.say("Count")
    await one.wait_for_text(50)
    other = await desk.open(one.page.context, one.page.url)
    await one.wait_for_end()
    await other.wait_for_end()
    assert await one.text() == await other.text() == said(400)
    await other.choose_model("demo-n300-r0-d0")
    await other.say("Once more")
    await expect(one.answers).to_have_count(2)
    await one.wait_for_end()
    assert await one.text() == said(300)


async def test_stop_stops_keeps_the_text_and_leaves_a_receipt(desk, alice):
    tab = await desk.tab(alice)
    await tab.choose_model(SLOW)
    await tab.say("Count")
    await tab.wait_for_text(100)
    await tab.button("Stop (Esc)").click()
    await tab.wait_for_end("stopped")
    await expect(tab.answer.locator(".note")).to_contain_text("Stopped.")
    kept = await tab.text()
    assert said(400).startswith(kept)
    assert len(kept) < len(said(400))
    await tab.page.reload()
    assert await tab.text() == kept
    await expect(tab.answer.locator(".note")).to_contain_text("Stopped.")


async def test_escape_stops_too(desk, alice):
    tab = await desk.tab(alice)
    await tab.choose_model(SLOW)
    await tab.say("Count")
    await tab.wait_for_text(20)
    await tab.page.keyboard.press("Escape")
    await tab.wait_for_end("stopped")


async def test_a_stopped_answer_can_be_continued(desk, alice):
    tab = await desk.tab(alice)
    await tab.choose_model(SLOW)
    await tab.say("Count")
    await tab.wait_for_text(20)
    await tab.page.keyboard.press("Escape")
    await tab.wait_for_end("stopped")
    await tab.button("Continue").click()
    await expect(tab.answers).to_have_count(2)
    await tab.wait_for_end()
    assert await tab.text() == said(400)


async def test_regenerate_puts_another_answer_beside_the_first(desk, alice):
    tab = await desk.tab(alice)
    await tab.choose_model("demo-n300-r0-d0")
    await tab.say("Count")
    await tab.wait_for_end()
    await tab.choose_model("demo-n200-r100-d20")
    await tab.button("Regenerate").click()
    await expect(tab.answer.locator(".pager")).to_contain_text("2/2")
    await tab.wait_for_end()
    assert await tab.text() == said(200)
    await tab.button("Previous answer").click()
    await expect(tab.answer.locator(".pager")).to_contain_text("1/2")
    assert await tab.text() == said(300)
    await tab.page.reload()
    await expect(tab.answer.locator(".pager")).to_contain_text("1/2")


async def test_a_provider_error_keeps_the_text_and_offers_a_retry(desk, alice):
    tab = await desk.tab(alice)
    await tab.choose_model("demo")
    await tab.say("fail:cut")
    await tab.wait_for_end("failed")
    note = tab.answer.locator(".note")
    await expect(note).to_contain_text("cut the line")
    assert "no language model" in await tab.text()
    await note.get_by_role("button", name="Retry").click()
    await expect(tab.answer.locator(".pager")).to_contain_text("2/2")
    await tab.wait_for_end("failed")


async def test_a_refusal_says_what_to_do_next(desk, alice):
    tab = await desk.tab(alice)
    await tab.choose_model("demo")
    await tab.say("fail:429")
    await tab.wait_for_end("failed")
    await expect(tab.answer.locator(".note")).to_contain_text("overloaded")
    await expect(tab.answer.get_by_role("button", name="Retry")).to_be_visible()


async def test_a_next_message_waits_in_line_while_an_answer_runs(desk, alice):
    tab = await desk.tab(alice)
    await tab.choose_model(SLOW)
    await tab.say("First")
    await tab.wait_for_text(20)
    await tab.say("Second")
    await expect(tab.page.locator("#queued")).to_contain_text("Second")
    await expect(tab.answers).to_have_count(2, timeout=20_000)
    await expect(tab.page.locator("#queued")).to_be_hidden()
    await tab.wait_for_end()
    assert await tab.text() == said(400)


async def test_shift_enter_breaks_the_line_and_a_draft_survives_a_reload(desk, alice):
    tab = await desk.tab(alice)
    await tab.message.fill("one")
    await tab.message.press("Shift+Enter")
    await tab.message.press_sequentially("two")
    await expect(tab.message).to_have_value("one\ntwo")
    await tab.page.reload()
    await expect(tab.message).to_have_value("one\ntwo")
    await expect(tab.answers).to_have_count(0)


async def test_markup_in_a_message_stays_text(desk, alice):
    tab = await desk.tab(alice)
    await tab.choose_model("demo-n300-r0-d0")
    await tab.say('<img src=x onerror="document.title=1"><script>document.title=2</script>')
    await tab.wait_for_end()
    await expect(tab.page.locator(".turn--user .prose").first).to_contain_text("<img src=x")
    await tab.page.reload()
    await expect(tab.page.locator(".turn--user .prose").first).to_contain_text("<script>")
    assert await tab.page.locator("#column img, #column script").count() == 0


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
async def test_an_answer_goes_on_when_the_server_is_killed_and_started_again(desk, mortal_site, how):
    # The browser says itself that a socket could not be opened.
    desk.forgiven = ("WebSocket connection", "ERR_CONNECTION_REFUSED", "ERR_CONNECTION_RESET")
    mortal_site.settings["DRAIN_SECONDS"] = "0"
    mortal_site.stop()
    mortal_site.start()
    tab = await desk.tab(mortal_site.sign_in("alice"))
    await tab.choose_model(SLOW)
    await tab.say("Count")
    await tab.wait_for_text(100)
    before = await tab.text()
    mortal_site.stop(how)
    await expect(tab.page.locator("#banner")).to_be_visible()
    assert (await tab.text()).startswith(before[:100])
    mortal_site.start()
    await tab.wait_for_end()
    assert await tab.text() == said(400)
    await expect(tab.page.locator("#banner")).to_be_hidden()
    await tab.page.reload()
    assert await tab.text() == said(400)
