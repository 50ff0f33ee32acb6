"""What is seen of providers that are full, fail, or cannot do what was asked: nothing doubled, nothing kept quiet."""

import shutil
import uuid

import pytest
import pytest_asyncio
from playwright.async_api import expect

from chat.demo import start_demo_upstream
from tests.live import LiveSite, words

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

FAST = "demo-n300-r0-d0"
SLOW = "narrow/demo-n200-r50-d0"
DEAD = "tired/demo-n300-r0-d0-fail:500"
FRAGILE = "fragile/demo-n200-r50-d0"
PLAIN = "fragile/demo-n300-r0-d0"

SET_UP = f"""
from chat.models import LanguageModel, Provider
Provider.objects.filter(name="narrow").update(calls_at_once=1)
Provider.objects.filter(name__in=("tired", "fragile")).update(retry_base_seconds=0.2, breaker_failures=1000)
tired = LanguageModel.objects.get(provider__name="tired")
tired.next_model = LanguageModel.objects.get(provider__name="demo", name={FAST!r})
tired.save()
LanguageModel.objects.filter(provider__name="fragile", name="demo-n300-r0-d0").update(capabilities=["no_temperature"])
"""

# What stands in the last answer after each frame, and how much of it is faded.
WATCH = """() => {
  window.frames_seen = [];
  const look = () => {
    const turn = document.querySelector('#column .turn--assistant:last-child');
    if (turn) {
      const proses = [...turn.querySelectorAll('.prose')];
      const said = proses.map((one) => one.innerText).join('|');
      const faded = proses.filter((one) => one.closest('[data-stale]')).length;
      const foot = turn.querySelector('.turn-foot').innerText;
      const last = window.frames_seen.at(-1);
      const isNew = !last || last.said !== said || last.foot !== foot;
      if (isNew) window.frames_seen.push({said, faded, foot, height: turn.offsetHeight});
    }
    requestAnimationFrame(look);
  };
  look();
}"""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def provided(prepared_folder, tmp_path_factory):
    """A site whose providers are upstreams of their own, with limits, breakers and a model to fall back on."""
    upstream = await start_demo_upstream()
    folder = tmp_path_factory.mktemp("provided") / "data"
    shutil.copytree(prepared_folder, folder)
    site = LiveSite(folder)
    for name in (SLOW, DEAD, FRAGILE, PLAIN):
        provider, _, model = name.partition("/")
        base_url = upstream.base_url_for("openai_chat")
        site.manage("add_provider", provider, "--base-url", base_url, "--model", model)
    site.manage("shell", "-v0", "-c", SET_UP)
    site.start()
    yield site
    site.stop()
    await upstream.close()


@pytest.fixture
def carol(provided):
    return provided.sign_in("alice")


async def seen(tab):
    return await tab.page.evaluate("window.frames_seen")


async def test_a_second_try_fades_what_was_shown_and_doubles_nothing(desk, carol):
    tab = await desk.tab(carol)
    await tab.choose_model(FRAGILE)
    await tab.page.evaluate(WATCH)
    await tab.say(f"Count fail:cutx1 fail-key:{uuid.uuid4().hex}")
    await tab.wait_for_end()
    whole = words(200).strip()
    assert await tab.text() == whole
    frames = await seen(tab)
    # At no moment does anything stand there but a beginning of the answer: neither two of them, nor none.
    first = next(number for number, frame in enumerate(frames) if frame["said"])
    assert all(frame["said"] for frame in frames[first:])
    assert all(whole.startswith(frame["said"].strip()) for frame in frames)
    faded = [frame for frame in frames if frame["faded"]]
    assert any("The provider cut the line. Second try" in frame["foot"] for frame in faded)
    height = faded[0]["height"]
    assert all(frame["height"] >= height for frame in frames[frames.index(faded[-1]) :])
    assert await tab.page.locator("[data-stale]").count() == 0
    await tab.page.reload()
    assert await tab.text() == whole


async def test_a_failover_says_who_answered_live_and_after_a_reload(desk, carol):
    tab = await desk.tab(carol)
    await tab.choose_model(DEAD)
    await tab.say("Count")
    await tab.wait_for_end()
    assert await tab.text() == words(300).strip()
    # Another provider has a model of that name, so its provider is named.
    told = f"{DEAD.partition('/')[2]} did not answer (overloaded): demo/{FAST} answered."
    for _ in ("live", "reloaded"):
        await expect(tab.answer.locator(".aside")).to_have_text(told)
        await expect(tab.answer.locator("h2")).to_have_text(f"demo/{FAST} said")
        await expect(tab.answer.locator(".turn-foot > .receipt")).to_contain_text(FAST)
        await expect(tab.page.locator("#model-picker")).to_contain_text("fail:500")
        await tab.page.reload()


async def test_the_details_list_every_attempt(desk, carol):
    tab = await desk.tab(carol)
    await tab.choose_model(DEAD)
    await tab.say("Count")
    await tab.wait_for_end()
    await tab.answer.get_by_role("button", name="Details").click()
    attempts = tab.answer.locator(".attempts li")
    await expect(attempts).to_have_count(4)
    for number in range(3):
        await expect(attempts.nth(number)).to_contain_text("overloaded (500)")
    await expect(attempts.last).to_contain_text(f"demo/{FAST}")
    await expect(attempts.last).to_contain_text("answered")
    await expect(attempts.last).to_contain_text("first token")
    await expect(attempts.last).to_contain_text("300 out")


async def test_who_waits_for_a_place_is_told_which_until_the_first_word(desk, carol):
    first, second = await desk.tab(carol), await desk.tab(carol)
    await first.choose_model(SLOW)
    await first.say("Count")
    await first.wait_for_text(20)
    await second.choose_model(SLOW)
    await second.say("Count")
    told = "Waiting for a free place: next in line"
    await expect(second.answer.locator(".turn-foot")).to_contain_text(told)
    await expect(second.page.locator("#announcer")).to_contain_text(told)
    assert await second.text() == ""
    await first.page.keyboard.press("Escape")
    await second.wait_for_text(20)
    await expect(second.answer.locator(".turn-foot")).not_to_contain_text("Waiting")
    await second.wait_for_end()
    assert await second.text() == words(200).strip()


async def test_a_place_in_the_line_is_told_again_after_a_reload(desk, carol):
    first, second = await desk.tab(carol), await desk.tab(carol)
    await first.choose_model(SLOW)
    await first.say("Count")
    await first.wait_for_text(20)
    await second.choose_model(SLOW)
    await second.say("Count")
    foot = second.answer.locator(".turn-foot")
    await expect(foot).to_contain_text("next in line")
    await second.page.reload()
    await expect(foot).to_contain_text("next in line")
    await second.wait_for_end()
    assert await second.text() == words(200).strip()


async def test_an_option_that_the_model_does_not_take_is_told(desk, carol):
    async with carol.socket() as socket:
        asked = await socket.ask(
            "run.start",
            key=str(uuid.uuid4()),
            conversation=None,
            parent=None,
            content=[{"type": "text", "text": "Count"}],
            models=[PLAIN],
            options={"temperature": 0.5},
        )
        tab = await desk.tab(carol, f"/c/{asked['conversation']}/")
        await tab.wait_for_end()
        told = "This model does not take a temperature; answered without it."
        await expect(tab.answer.locator(".aside")).to_have_text(told)
        await tab.page.reload()
        await expect(tab.answer.locator(".aside")).to_have_text(told)
