"""A real Chromium against the real server. Whatever a page writes to its console as an error fails the test."""

import shutil
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Error, Page, async_playwright

from tests.browser.tab import Tab
from tests.live import LiveSite, Person

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """The browser on PATH, else Playwright's own."""
    found = next(
        (path for name in ("chromium", "google-chrome", "chrome") if (path := shutil.which(name))), None
    )
    async with async_playwright() as playwright:
        try:
            chromium = await playwright.chromium.launch(executable_path=found, args=FLAGS)
        except Error as error:
            if found is not None:
                raise
            pytest.skip(
                f"no browser: install Debian's chromium, or run `playwright install chromium` ({error.name})"
            )
        yield chromium
        await chromium.close()


class Desk:
    """Opens tabs for people and gathers what the pages complain about."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._contexts: list[BrowserContext] = []
        self.complaints: list[str] = []
        self.forgiven: tuple[str, ...] = ()

    async def context(
        self, site: LiveSite, *, width: int = 1280, height: int = 860, **more
    ) -> BrowserContext:
        context = await self._browser.new_context(
            base_url=site.url, viewport={"width": width, "height": height}, **more
        )
        context.set_default_timeout(15_000)
        self._contexts.append(context)
        return context

    async def tab(self, person: Person, path: str = "/", **more) -> Tab:
        context = await self.context(person.site, **more)
        cookies = [{"name": n, "value": v, "url": person.site.url} for n, v in person.http.cookies.items()]
        await context.add_cookies(cookies)  # type: ignore[arg-type]
        return await self.open(context, path)

    async def open(self, context: BrowserContext, path: str = "/") -> Tab:
        """One more tab in the same browser window."""
        page = await context.new_page()
        self.listen(page)
        await page.goto(path)
        return Tab(page)

    def listen(self, page: Page) -> None:
        page.on("pageerror", lambda error: self.complaints.append(f"script: {error}"))
        page.on("console", lambda said: self.complaints.append(said.text) if said.type == "error" else None)

    async def close(self) -> None:
        for context in self._contexts:
            await context.close()


@pytest_asyncio.fixture(loop_scope="session")
async def desk(browser: Browser) -> AsyncIterator[Desk]:
    made = Desk(browser)
    yield made
    await made.close()
    unforgiven = [one for one in made.complaints if not any(known in one for known in made.forgiven)]
    assert unforgiven == []


@pytest.fixture
def alice(site: LiveSite) -> Person:
    return site.sign_in("alice")
