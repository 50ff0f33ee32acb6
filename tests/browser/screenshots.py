"""`make screenshots`: the pages of the documentation, in both themes and widths, into docs/images/.

Run by hand: a picture is looked at before it is committed.
"""

import asyncio
import shutil
import sys
import tempfile
from pathlib import Path

from playwright.async_api import Browser, async_playwright

from tests.browser.conftest import FLAGS
from tests.browser.tab import Tab
from tests.live import ROOT, LiveSite, Person

IMAGES = ROOT / "docs" / "images"
WIDTHS = {1280: 860, 390: 844}
THEMES = ("light", "dark")
EARLIER = ("House style for release notes", "Why is the cache key unstable?", "Board notes, November")


async def converse(browser: Browser, person: Person) -> str:
    """Some conversations to be seen in the sidebar; returns the address of the one that is shown."""
    context = await browser.new_context(base_url=person.site.url)
    await context.add_cookies(cookies_of(person))  # type: ignore[arg-type]
    page = await context.new_page()
    for title in (*EARLIER, "Show me a table of planets, and some code"):
        await page.goto("/")
        tab = Tab(page)
        await tab.choose_model("demo")
        await tab.say(title)
        await tab.wait_for_end()
    await tab.say("code")
    await page.wait_for_timeout(300)
    await tab.wait_for_end()
    address = page.url
    await context.close()
    return address


def cookies_of(person: Person) -> list[dict[str, str]]:
    return [{"name": n, "value": v, "url": person.site.url} for n, v in person.http.cookies.items()]


async def picture(browser: Browser, person: Person, address: str, width: int, theme: str) -> None:
    context = await browser.new_context(
        base_url=person.site.url,
        viewport={"width": width, "height": WIDTHS[width]},
        color_scheme=theme,  # type: ignore[arg-type]
    )
    page = await context.new_page()
    tab = Tab(page)

    async def take(name: str) -> None:
        await page.wait_for_timeout(250)
        await page.screenshot(path=IMAGES / f"{name}-{width}-{theme}.png")

    await page.goto("/accounts/login/")
    await take("login")
    await context.add_cookies(cookies_of(person))  # type: ignore[arg-type]
    await page.goto("/")
    await take("empty")
    await page.goto(address)
    await take("answer")
    if width == 390:
        await page.locator(".topbar").get_by_label("Conversations").click()
        await page.wait_for_timeout(300)
        await take("drawer")
        await page.keyboard.press("Escape")
    await page.goto("/")
    await tab.choose_model("demo")
    await tab.say("a long answer please")
    await tab.wait_for_text(500)
    await take("streaming")
    await page.keyboard.press("Escape")
    await tab.wait_for_end("stopped")
    await take("stopped")
    await tab.say("fail:cut")
    await page.wait_for_timeout(300)
    await tab.wait_for_end("failed")
    await take("failed")
    await context.close()


async def main() -> None:
    IMAGES.mkdir(parents=True, exist_ok=True)
    site = LiveSite(Path(tempfile.mkdtemp()))
    site.prepare()
    site.start()
    try:
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
            person = site.sign_in("alice")
            address = await converse(browser, person)
            for width in WIDTHS:
                for theme in THEMES:
                    await picture(browser, person, address, width, theme)
            await browser.close()
    finally:
        site.stop()
        shutil.rmtree(site.folder)
    sys.stdout.write(f"{len(list(IMAGES.glob('*.png')))} pictures in {IMAGES.relative_to(ROOT)}\n")


if __name__ == "__main__":
    asyncio.run(main())
