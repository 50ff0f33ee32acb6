"""Files that a tool has made, as a person finds and takes them."""

import re
from pathlib import Path

import pytest
from playwright.async_api import Locator, expect

from tests.browser.tab import Tab
from tests.live import LiveSite

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

ASK = 'call:make_report {"subject": "products"} call:calculate {"expression": "6*7"}'


def links(tab: Tab) -> Locator:
    return tab.answer.get_by_role("list", name="Files of make_report").get_by_role("link")


async def ask(desk, site: LiveSite, **more) -> Tab:
    tab: Tab = await desk.tab(site.sign_in("alice"), **more)
    await tab.choose_model("demo")
    await tab.say(ASK)
    await tab.wait_for_end()
    return tab


async def names(tab: Tab) -> list[str | None]:
    return [await link.get_attribute("aria-label") for link in await links(tab).all()]


async def test_files_stand_below_the_folded_card_and_read_the_same_after_a_reload(desk, site):
    tab = await ask(desk, site)
    await expect(links(tab)).to_have_count(2)
    await expect(links(tab).first).to_be_visible()
    await expect(links(tab).first).to_have_attribute(
        "aria-label", re.compile(r"Download report-[\d-]+\.csv, \d kB")
    )
    live, drawn = await names(tab), await tab.answer.locator(".tools").inner_text()
    place = await links(tab).first.bounding_box()
    await tab.page.reload()
    assert await names(tab) == live
    assert await tab.answer.locator(".tools").inner_text() == drawn
    again = await links(tab).first.bounding_box()
    assert place is not None
    assert again is not None
    assert (again["width"], again["height"]) == (place["width"], place["height"])


async def test_a_file_is_taken_with_the_keyboard_and_the_page_stays(desk, site, tmp_path: Path):
    tab = await ask(desk, site)
    async with tab.page.expect_download() as awaited:
        await links(tab).first.press("Enter")
    download = await awaited.value
    await download.save_as(tmp_path / "taken")
    assert download.suggested_filename.endswith(".csv")
    assert (tmp_path / "taken").read_bytes().startswith(b"section,what,value\r\n")
    await tab.say("hello")
    await expect(tab.answers).to_have_count(2)
    await tab.wait_for_end()


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_on_a_phone_a_file_is_as_wide_as_its_card_and_large_enough_for_a_thumb(desk, site, theme: str):
    tab = await ask(desk, site, width=390, height=844, color_scheme=theme)
    card = await tab.answer.locator(".tools").bounding_box()
    assert card is not None
    for link in await links(tab).all():
        box = await link.bounding_box()
        assert box is not None
        assert box["height"] >= 36
        assert box["x"] >= card["x"]
        assert box["x"] + box["width"] <= card["x"] + card["width"]
    assert await tab.page.evaluate("document.documentElement.scrollWidth") == 390
