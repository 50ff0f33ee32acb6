"""The administration in a browser: both themes, both widths, by keyboard, under the policy, and what axe finds."""

import re
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from tests.live import PASSWORD, ROOT, LiveSite, Person, serving

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
MAKE_ADA = f"""
from chat.models import User
User.objects.filter(username="ada").exists() or User.objects.create_superuser("ada", "ada@example.org", {PASSWORD!r})
"""
RUN_AXE = """async () => {
  // What Django itself draws: a label on a span without a role, and a heading that is empty.
  const place = { include: document, exclude: [".selector .help-tooltip", ".inline-group th.original"] };
  const found = await axe.run(place, { preload: false, resultTypes: ["violations"] });
  return found.violations.map(one => `${one.id}: ${one.nodes.map(node => node.target).join(" | ")}`);
}"""
PAGES = {
    "the dashboard": "/admin/?period=7d",
    "a list": "/admin/chat/run/",
    "an empty list": "/admin/chat/webhookdelivery/",
    "a list of one's own rows": "/admin/auth/group/",
    "a form": "/admin/chat/provider/add/",
    "a form with a choice of many": "/admin/auth/group/add/",
    "a new person": "/admin/chat/user/add/",
    "a quota": "/admin/chat/quota/add/",
    "the audit log": "/admin/chat/auditentry/",
    "the breakers": "/admin/chat/provider/limits/",
    "the usage": "/admin/chat/usageday/",
    "an app": "/admin/chat/",
}


@pytest.fixture(scope="session")
def office(prepared_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveSite]:
    """A site of its own, which keeps each stream in the wire log."""
    with serving(prepared_folder, tmp_path_factory.mktemp("office") / "data", WIRE_LOG_SAMPLE="1") as live:
        live.manage("shell", "-v0", "-c", MAKE_ADA)
        yield live


@pytest.fixture(scope="session")
def clerk(office: LiveSite) -> Person:
    return office.sign_in("ada")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def run(office: LiveSite) -> AsyncIterator[str]:
    """Alice's: its first attempt fails, and its answer is in the wire log."""
    async with office.sign_in("alice").socket() as tab:
        content = [{"type": "text", "text": "hello fail:503x1"}]
        started = await tab.ask("run.start", key=str(uuid.uuid4()), models=["demo/demo"], content=content)
        await tab.events(started["run"])
        yield started["run"]


SEARCH_FIELDS_ARE_MADE = """
  !document.querySelector("select.admin-autocomplete:not([name*=__prefix__]):not(.select2-hidden-accessible)")
"""
"""By Django's script, some time after the page is loaded."""


async def look_at(desk: Any, clerk: Person, path: str, **more: Any) -> Page:
    tab = await desk.tab(clerk, path, **more)
    page: Page = tab.page
    await page.wait_for_load_state()
    await page.wait_for_function(SEARCH_FIELDS_ARE_MADE)
    return page


async def sideways(page: Page) -> int:
    """How far the page itself can be scrolled to the side."""
    return int(
        await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    )


async def found_by_axe(page: Page) -> list[str]:
    if not AXE.exists():
        pytest.skip("axe-core is not installed: npm ci")
    await page.evaluate(AXE.read_text())
    found: list[str] = await page.evaluate(RUN_AXE)
    return found


def views() -> list[Any]:
    return [
        pytest.param(width, theme, id=f"{width}-{theme}")
        for width in (1280, 390)
        for theme in ("light", "dark")
    ]


@pytest.mark.parametrize(("width", "theme"), views())
async def test_every_kind_of_page_is_calm_in_each_theme_and_width(desk, clerk, run, width, theme):
    view = {"width": width, "color_scheme": theme}
    trouble = []
    for name, path in {**PAGES, "a run": f"/admin/chat/run/{run}/change/"}.items():
        page = await look_at(desk, clerk, path, **view)
        if far := await sideways(page):
            trouble.append(f"{name} scrolls sideways by {far}")
        trouble += [f"{name}: {one}" for one in await found_by_axe(page)]
        await page.close()
    assert trouble == []


async def test_the_theme_that_was_chosen_stays(desk, clerk):
    page = await look_at(desk, clerk, "/admin/")
    await page.get_by_role("radio", name="Dark").click()
    await page.goto("/admin/chat/node/")

    await expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    await expect(page.get_by_role("radio", name="Dark")).to_be_checked()


async def test_the_keyboard_skips_the_navigation_and_shows_where_it_is(desk, clerk):
    page = await look_at(desk, clerk, "/admin/chat/node/")
    await page.keyboard.press("Tab")
    await expect(page.get_by_text("Skip to main content")).to_be_focused()
    await page.keyboard.press("Enter")
    await page.keyboard.press("Tab")

    inside = "document.querySelector('#content-start').contains(document.activeElement)"
    assert await page.evaluate(inside)
    outline = "getComputedStyle(document.activeElement).outlineStyle"
    assert await page.evaluate(outline) != "none"


async def test_the_keyboard_walks_through_the_navigation_in_its_order(desk, clerk):
    page = await look_at(desk, clerk, "/admin/chat/run/")
    walked = []
    for _ in range(5):
        await page.keyboard.press("Tab")
        walked.append(await page.evaluate("document.activeElement.textContent.trim()"))

    assert walked == ["Skip to main content", "Back to chat", "Dashboard", "Runs", "Breakers and queues"]
    await page.keyboard.press("Enter")
    await expect(page).to_have_url(re.compile(r"/admin/chat/provider/limits/$"))
    await expect(page.locator(".office-nav [aria-current]")).to_have_text("Breakers and queues")


async def test_a_filter_opens_below_its_word_and_closes_by_escape(desk, clerk, run):
    page = await look_at(desk, clerk, "/admin/chat/run/")
    status = page.locator("summary", has_text="Status")
    await status.click()
    await expect(page.get_by_role("link", name="Completed", exact=True)).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("link", name="Completed", exact=True)).to_be_hidden()
    await expect(status).to_be_focused()

    await status.press("Enter")
    await page.get_by_role("link", name="Completed", exact=True).click()
    await expect(page.locator("summary", has_text="Status")).to_contain_text("Completed")


async def test_from_a_figure_to_its_list_to_a_run(desk, clerk, run):
    page = await look_at(desk, clerk, "/admin/")
    await page.get_by_role("link", name="completed", exact=True).click()
    await page.locator("#result_list tbody th a").first.click()

    await expect(page.get_by_role("heading", name=re.compile("^Run of "))).to_be_visible()
    lines = page.locator(".timeline > .tl")
    await expect(lines.filter(has_text="Attempt 1: 503 provider_overloaded")).to_have_count(1)
    await expect(lines.filter(has_text="Wait before attempt 2")).to_have_count(1)


async def test_a_reason_opens_the_stream_which_is_played_again(desk, clerk, run):
    page = await look_at(desk, clerk, f"/admin/chat/run/{run}/change/")
    await expect(page.locator("[data-replay]")).to_have_count(0)
    await page.get_by_label("Reason").fill("ticket 4471")
    await page.get_by_role("button", name="Open content").click()

    replay = page.locator("[data-replay]")
    await expect(replay.locator("[data-replay-text]")).to_be_empty()
    await replay.get_by_label("Pace").select_option("100")
    await replay.get_by_role("button", name="Replay").click()
    await expect(replay.get_by_role("button", name="Once more")).to_be_visible()
    await expect(replay.locator("[data-replay-text]")).to_contain_text("[stop]")
    assert len(await replay.locator("[data-replay-text]").inner_text()) > 40
    assert await found_by_axe(page) == []


async def test_a_form_says_what_is_wrong_and_a_deletion_asks_first(desk, clerk):
    page = await look_at(desk, clerk, "/admin/auth/group/add/")
    await page.get_by_role("button", name="Save", exact=True).click()
    await expect(page.get_by_text("Please correct the error below.")).to_be_visible()
    assert await found_by_axe(page) == []

    await page.get_by_label("Name:").fill("Editors")
    await page.get_by_role("button", name="Save and continue editing").click()
    await page.get_by_role("link", name="Delete", exact=True).click()
    await expect(page.get_by_text("Are you sure")).to_be_visible()
    assert await found_by_axe(page) == []
    await page.get_by_role("button", name="Yes, I’m sure").click()
    await expect(page.get_by_text("was deleted successfully")).to_be_visible()


async def test_the_calendar_can_be_read_in_the_dark(desk, clerk):
    page = await look_at(desk, clerk, "/admin/chat/user/", color_scheme="dark")
    await page.get_by_role("link", name="alice", exact=True).click()
    await page.locator(".date-icon").first.click()
    await expect(page.get_by_role("link", name="Tomorrow").first).to_be_visible()

    # Django hangs the box at the end of the body, outside of every landmark.
    assert [one for one in await found_by_axe(page) if one != "region: #calendarbox0"] == []


async def test_without_scripts_a_run_is_whole(desk, clerk, run):
    page = await look_at(desk, clerk, f"/admin/chat/run/{run}/change/", java_script_enabled=False)

    await expect(page.locator(".timeline > .tl")).not_to_have_count(0)
    await expect(page.get_by_role("row", name=re.compile("Charged"))).to_be_visible()
