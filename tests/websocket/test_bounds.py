"""What a socket may cost and how it ends, on both servers: floods, debts, sign-outs, and the end of the process."""

import asyncio
import json
import signal
import uuid

import pytest

from tests.live import Person, words
from tests.websocket.test_consumer import closing_code, question
from tests.websocket.test_two_servers import Screen

pytestmark = pytest.mark.server


@pytest.fixture
def bob(site) -> Person:
    return site.sign_in("bob")


async def test_three_thousand_frames_a_minute_are_fine_and_one_more_is_not(bob):
    unknown = json.dumps({"type": "ack", "run": str(uuid.uuid4()), "cursor": "1-1"})
    async with bob.socket() as tab:
        for _ in range(2900):
            await tab.line.send(unknown)
        await tab.send("ping")
        assert (await tab.next())["type"] == "pong"
        # The bucket fills again while they come: 50 a second.
        for _ in range(20_000):
            await tab.line.send(unknown)
            if tab.line.close_code is not None:
                break
        assert await closing_code(tab.line) == 4429


async def test_many_pings_at_once_all_get_their_pong(bob):
    async with bob.socket() as tab:
        for _ in range(500):
            await tab.send("ping")
        assert [(await tab.next())["type"] for _ in range(500)] == ["pong"] * 500


async def test_a_place_that_is_given_back_can_be_taken_again(bob):
    for _ in range(20):
        async with bob.socket():
            pass


async def test_signing_out_closes_the_tabs_of_that_browser_and_no_others(site, bob):
    elsewhere = site.sign_in("bob")
    async with bob.socket() as tab, elsewhere.socket() as other:
        token = bob.http.cookies["csrftoken"]
        out = await asyncio.to_thread(
            bob.http.post, "/accounts/logout/", headers={"X-CSRFToken": token, "Referer": site.url}
        )
        assert out.status_code in (200, 302)
        assert await closing_code(tab.line) == 4401
        await other.send("ping")
        assert (await other.next())["type"] == "pong"


async def test_sigterm_says_closing_to_every_tab_and_the_process_ends_well(mortal_site):
    alice = mortal_site.sign_in("alice")
    async with alice.socket() as tab, alice.socket() as other:
        mortal_site.process.send_signal(signal.SIGTERM)
        for one in (tab, other):
            farewell = await one.next()
            assert (farewell["type"], farewell["reason"]) == ("closing", "restart")
            assert farewell["reconnect_after_ms"] >= 0
            assert await closing_code(one.line) == 4503
    assert await asyncio.to_thread(mortal_site.process.wait, 20) == 0
    assert "Traceback" not in mortal_site.log


async def test_an_answer_whose_only_server_is_killed_goes_on_at_the_next_start(mortal_site):
    alice = mortal_site.sign_in("alice")
    async with alice.socket() as tab:
        started = await tab.ask("run.start", **question("demo/demo-n400-r100-d0"))
        await tab.events(started["run"], until="text.delta")
        mortal_site.stop(signal.SIGKILL)
    await asyncio.to_thread(mortal_site.start)
    async with alice.socket() as tab, asyncio.timeout(60):
        screen = Screen(tab, started["run"])
        await screen.watch()
    assert (screen.text, screen.ended) == (words(400), "completed")
