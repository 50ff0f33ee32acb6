"""What the page says about an answer, live and after a reload."""

import pytest
from playwright.async_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("fail:429", "demo is overloaded. It asks to wait 2 s. Nothing was billed."),
        ("fail:cut", "demo cut the line before the answer was whole. What had come is kept. Billed: "),
        ("fail:401", "demo refused our key. An administrator has to look at it. Nothing was billed."),
    ],
)
async def test_a_failure_is_told_with_figures_and_in_the_same_words_after_a_reload(desk, alice, asked, told):
    tab = await desk.tab(alice)
    await tab.choose_model("demo")
    await tab.say(asked)
    await tab.wait_for_end("failed")
    note = tab.answer.locator(".note p")
    await expect(note).to_contain_text(told)
    # The time that the button counts down is over, which a reload would find further on.
    await expect(tab.answer.get_by_role("button", name="Retry", exact=True)).to_be_visible()
    turns = [await turn.inner_text() for turn in await tab.page.locator(".turn").all()]
    await tab.page.reload()
    assert [await turn.inner_text() for turn in await tab.page.locator(".turn").all()] == turns


async def test_an_answer_reads_the_same_after_a_reload(desk, alice):
    tab = await desk.tab(alice)
    await tab.choose_model("demo")
    for words in ("think", "code", "中文"):
        await tab.say(words)
        await expect(tab.page.locator(".turn--user").last).to_contain_text(words)
        await tab.wait_for_end()
    turns = [await turn.inner_text() for turn in await tab.page.locator(".turn").all()]
    html = await tab.page.locator(".prose").evaluate_all("all => all.map(one => one.lang + one.dir)")
    await tab.page.reload()
    assert [await turn.inner_text() for turn in await tab.page.locator(".turn").all()] == turns
    assert await tab.page.locator(".prose").evaluate_all("all => all.map(one => one.lang + one.dir)") == html
    assert await tab.answer.locator(".prose").get_attribute("lang") == "zh"


async def test_a_silence_in_mid_answer_says_what_it_waits_for(desk, alice):
    tab = await desk.tab(alice)
    await tab.choose_model("demo")
    await tab.say("fail:hang")
    await tab.wait_for_text(10)
    foot = tab.answer.locator(".turn-foot")
    await expect(foot).to_contain_text("Waiting for demo · 4 s")
    await expect(foot).not_to_contain_text("tok/s")
    await tab.page.keyboard.press("Escape")
    await tab.wait_for_end("stopped")


async def test_there_is_one_spinner_at_a_time(desk, alice):
    tab = await desk.tab(alice)
    await tab.choose_model("demo")
    await tab.page.evaluate(
        """() => {
            window.most = 0;
            const count = () => {
              const shown = [...document.querySelectorAll("#column .spinner")].filter((one) => one.checkVisibility());
              window.most = Math.max(window.most, shown.length);
              requestAnimationFrame(count);
            };
            count();
        }"""
    )
    await tab.say("think")
    await tab.wait_for_end()
    assert await tab.page.evaluate("window.most") == 1


async def test_another_model_can_be_chosen_after_a_failure(desk, alice):
    tab = await desk.tab(alice)
    await tab.choose_model("demo")
    await tab.say("fail:500")
    await tab.wait_for_end("failed")
    await tab.button("Other model").click()
    await expect(tab.page.locator("#model-menu")).to_be_visible()


async def test_joined_messages_say_that_they_are(desk, alice):
    tab = await desk.tab(alice)
    await tab.choose_model("demo-n400-r100-d0")
    await tab.say("First")
    await tab.wait_for_text(10)
    await tab.say("Second")
    await expect(tab.page.locator("#queued")).to_contain_text("Next: Second")
    await tab.say("Third")
    await expect(tab.page.locator("#queued")).to_contain_text("Next, 2 messages as one: Second")
    await tab.page.keyboard.press("Escape")
    await tab.wait_for_end("stopped")
    await expect(tab.message).to_have_value("Second\n\nThird")


async def test_the_details_of_an_answer_fit_a_phone(desk, alice):
    tab = await desk.tab(alice, width=390, height=844)
    await tab.choose_model("demo-n300-r0-d0")
    await tab.say("Once")
    await tab.wait_for_end()
    await tab.answer.get_by_role("button", name="Details").click()
    box = await tab.answer.locator(".menu").bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 390
    assert box["y"] >= 48
    await expect(tab.answer.locator(".menu")).to_contain_text("Asked")


async def test_a_long_title_is_the_same_before_and_after_a_reload(desk, alice):
    tab = await desk.tab(alice)
    await tab.choose_model("demo-n300-r0-d0")
    await tab.say("A rather long question " * 5)
    await tab.wait_for_end()
    heading = tab.page.locator("#title")
    title = await heading.inner_text()
    assert title.endswith("…")
    await tab.page.reload()
    await expect(heading).to_have_text(title)


async def test_code_in_ones_own_words_has_no_buttons_and_a_short_line_no_wrap(desk, alice):
    tab = await desk.tab(alice)
    await tab.choose_model("demo")
    await tab.say("```\ncode\n```")
    await tab.wait_for_end()
    await expect(tab.page.locator(".turn--user .code button")).to_have_count(0)
    blocks = tab.answer.locator("figure.code")
    await expect(blocks.first.get_by_role("button", name="Wrap")).to_be_visible()
    await expect(blocks.last.get_by_role("button", name="Wrap")).to_have_count(0)
    await expect(blocks.last.get_by_role("button", name="Copy")).to_be_visible()


async def test_text_that_runs_from_the_right_does(desk, alice):
    tab = await desk.tab(alice)
    await tab.choose_model("demo-n300-r0-d0")
    await tab.message.fill("مرحبا")
    assert await tab.message.evaluate("one => getComputedStyle(one).direction") == "rtl"
    await tab.message.press("Enter")
    await tab.wait_for_end()
    direction = "one => getComputedStyle(one).direction"
    assert await tab.page.locator(".said .prose").evaluate(direction) == "rtl"
    assert await tab.answer.locator(".prose").evaluate(direction) == "ltr"


async def test_the_details_of_an_answer_are_in_sight_on_a_small_screen(desk, alice):
    tab = await desk.tab(alice, width=390, height=844)
    await tab.choose_model("demo")
    for _ in range(2):
        answers = await tab.answers.count()
        await tab.say("fail:500")
        await expect(tab.answers).to_have_count(answers + 1)
        await tab.wait_for_end("failed")
    for turn in await tab.answers.all():
        await turn.get_by_role("button", name="Details").click()
        details = turn.get_by_role("dialog", name="Details")
        await expect(details.locator(".attempts")).to_be_visible()
        menu = await details.bounding_box()
        thread = await tab.page.locator("#thread").bounding_box()
        assert menu is not None
        assert thread is not None
        assert menu["y"] >= thread["y"] - 1
        assert menu["y"] + menu["height"] <= thread["y"] + thread["height"] + 1
        await tab.page.keyboard.press("Escape")
