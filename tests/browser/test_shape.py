"""How the page holds together: widths, themes, keys, and the policy it lives under."""

import pytest
from playwright.async_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("path", ["/", "/accounts/login/", "/accounts/password/"])
async def test_no_page_scrolls_sideways(desk, alice, width, path):
    tab = await desk.tab(alice, path, width=width)
    assert await tab.page.evaluate("document.documentElement.scrollWidth") <= width


async def test_on_a_phone_the_conversations_are_in_a_drawer(desk, alice):
    tab = await desk.tab(alice, width=390, height=844)
    await expect(tab.page.locator("#sidebar")).not_to_be_in_viewport()
    await (
        tab.page.get_by_role("button", name="Conversations")
        .or_(tab.page.get_by_role("link", name="Conversations"))
        .first.click()
    )
    await expect(tab.page.locator("#sidebar")).to_be_in_viewport()
    await tab.page.keyboard.press("Escape")
    await expect(tab.page.locator("#sidebar")).not_to_be_in_viewport()


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_the_theme_follows_the_system_until_one_is_chosen(desk, alice, scheme):
    tab = await desk.tab(alice, color_scheme=scheme)
    paper = "getComputedStyle(document.documentElement).backgroundColor"
    before = await tab.page.evaluate(paper)
    assert (before == "rgb(255, 255, 255)") is (scheme == "light")
    await tab.page.locator("[aria-controls=user-menu]").click()
    other = {"light": "Dark", "dark": "Light"}[scheme]
    await tab.page.get_by_role("menuitemradio", name=other).click()
    assert await tab.page.evaluate(paper) != before
    await tab.page.reload()
    assert await tab.page.evaluate(paper) != before


async def test_nothing_from_elsewhere_is_asked_for(desk, alice):
    tab = await desk.tab(alice)
    asked: list[str] = []
    tab.page.on("request", lambda request: asked.append(request.url))
    await tab.choose_model("demo")
    await tab.say("code")
    await tab.wait_for_end()
    await tab.page.reload()
    assert [url for url in asked if not url.startswith((alice.site.url, "blob:", "data:"))] == []


async def test_the_composer_has_the_focus_and_the_keyboard_reaches_everything(desk, alice):
    tab = await desk.tab(alice)
    await expect(tab.message).to_be_focused()
    reached = set()
    for _ in range(12):
        await tab.page.keyboard.press("Tab")
        reached.add(await tab.page.evaluate("document.activeElement.id || document.activeElement.className"))
    assert "model-picker" in reached


async def test_somebody_elses_conversation_is_a_plain_not_found(desk, site, alice):
    desk.forgiven = ("404",)
    tab = await desk.tab(alice)
    await tab.choose_model("demo-n300-r0-d0")
    await tab.say("Private")
    await tab.wait_for_end()
    stranger = await desk.tab(site.sign_in("mallory"))
    answer = await stranger.page.goto(tab.page.url)
    assert answer is not None
    assert answer.status == 404
    assert "Private" not in await stranger.page.content()
