"""One tab of the chat, in a user's words."""

import re

from playwright.async_api import Locator, Page, expect


class Tab:
    def __init__(self, page: Page) -> None:
        self.page = page

    @property
    def answers(self) -> Locator:
        return self.page.locator("#column .turn--assistant")

    @property
    def answer(self) -> Locator:
        """The last one."""
        return self.answers.last

    @property
    def message(self) -> Locator:
        return self.page.get_by_label("Message", exact=True)

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name, exact=True)

    async def choose_model(self, name: str) -> None:
        """One of the built-in provider's by its name alone, others as `provider/model`."""
        full_name = name if "/" in name else f"demo/{name}"
        # After a form's redirect the page may be shown before its script has run.
        await self.page.wait_for_load_state()
        await self.page.locator("#model-picker").click()
        await self.page.locator(f'[data-model="{full_name}"][role="option"]').click()

    async def say(self, text: str) -> None:
        await self.message.fill(text)
        await self.message.press("Enter")

    async def text(self) -> str:
        """What the last answer says, as one line."""
        prose = self.answer.locator(".prose")
        parts = await prose.all_inner_texts()
        return re.sub(r"\s+", " ", "".join(parts)).strip()

    async def wait_for_text(self, at_least: int) -> None:
        await self.page.wait_for_function(
            "least => [...document.querySelectorAll('#column .turn--assistant:last-child .prose')]"
            ".map(one => one.innerText).join('').length >= least",
            arg=at_least,
        )

    async def wait_for_end(self, status: str = "completed") -> None:
        await expect(self.answer).to_have_attribute("data-status", status, timeout=30_000)
