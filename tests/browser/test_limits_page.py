"""The admin's page "Limits now" keeps itself up to date, and is whole without its script."""

import re

import pytest
from playwright.async_api import expect

from tests.live import PASSWORD

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

# Switched off, so that the other tests of this site are not offered its models.
MAKE_ADA_AND_A_PROVIDER = f"""
from chat.models import Provider, User
Provider.objects.get_or_create(name="lab", base_url="http://127.0.0.1:9/v1", enabled=False)
User.objects.filter(username="ada").exists() or User.objects.create_superuser("ada", "ada@example.org", {PASSWORD!r})
"""


@pytest.fixture(scope="session")
def ada(site):
    site.manage("shell", "-v0", "-c", MAKE_ADA_AND_A_PROVIDER)
    return site.sign_in("ada")


async def open_limits(desk, ada, **more):
    tab = await desk.tab(ada, "/admin/chat/provider/limits/", **more)
    await tab.page.get_by_role("link", name="lab").click()
    return tab.page


async def test_what_another_tab_switches_is_seen_without_a_reload(desk, ada):
    watching = await open_limits(desk, ada)
    state = watching.locator('[data-fact="breaker.state"]')
    await expect(state).to_have_text("closed: calls go through")
    await watching.evaluate("window.sameAsBefore = true")
    await watching.get_by_label("Why:").fill("half a sen")

    switching = await open_limits(desk, ada)
    await switching.get_by_label("Why:").fill("maintenance")
    await switching.get_by_role("button", name="Force open").click()
    await expect(switching.get_by_text("Done.")).to_be_visible()

    await expect(state).to_have_text("forced open by staff", timeout=10_000)
    await expect(watching.get_by_text("keeps itself up to date")).to_be_visible()
    assert await watching.evaluate("window.sameAsBefore")
    await expect(watching.get_by_label("Why:")).to_have_value("half a sen")

    await switching.get_by_label("Why:").fill("over")
    await switching.get_by_role("button", name="count again").click()
    await expect(state).to_have_text("closed: calls go through", timeout=10_000)


WIDTH_WITH_LONG_WORDS = """() => {
  for (const cell of document.querySelectorAll(".limits td")) cell.textContent = "w".repeat(60);
  return document.documentElement.scrollWidth;
}"""


async def test_a_phone_scrolls_wide_tables_and_never_the_page(desk, ada):
    tab = await desk.tab(ada, "/admin/chat/provider/limits/", width=390, height=844)
    assert await tab.page.evaluate(WIDTH_WITH_LONG_WORDS) <= 390
    page = await open_limits(desk, ada, width=390, height=844)
    await expect(page.locator('[data-fact="breaker.state"]')).to_be_visible()
    assert await page.evaluate(WIDTH_WITH_LONG_WORDS) <= 390


async def test_without_scripts_the_page_is_whole(desk, ada):
    page = await open_limits(desk, ada, java_script_enabled=False)
    await expect(page.locator('[data-fact="calls"]')).to_have_text(re.compile(r"\d+ of 500"))
    await expect(page.get_by_role("link", name="Look again")).to_be_visible()
    await expect(page.get_by_text("keeps itself up to date")).to_be_hidden()


async def test_who_is_signed_out_is_told_that_it_is_not_live(desk, ada):
    page = await open_limits(desk, ada)
    await page.context.clear_cookies()
    await expect(page.get_by_text("Not live: you are signed out")).to_be_visible(timeout=10_000)
