"""Share prices, from servers that answer as Finnhub's documentation and another one's say."""

import json

import pytest
from aiohttp import web

from tests.tools.calling import call
from tests.tools.net.servers import serving
from tools.context import ToolContext

QUOTE = {
    "c": 261.74,
    "d": 1.2,
    "dp": 0.4606,
    "h": 263.31,
    "l": 260.68,
    "o": 261.07,
    "pc": 260.54,
    "t": 1582641000,
}
NOTHING = {"c": 0, "d": None, "dp": None, "h": 0, "l": 0, "o": 0, "pc": 0, "t": 0}
KEY = "key-7"


async def finnhub(request: web.Request) -> web.Response:
    if request.query["token"] != KEY:
        return web.json_response({"error": "Invalid API key"}, status=401)
    return web.json_response(QUOTE if request.query["symbol"] == "AAPL" else NOTHING)


@pytest.fixture
async def quotes(settings):
    async with serving(finnhub) as server:
        settings.STOCK_QUOTE_URL = (
            f"http://127.0.0.1:{server.port}/api/v1/quote?symbol={{symbol}}&token={{key}}"
        )
        settings.STOCK_QUOTE_KEY = KEY
        yield server


async def test_a_price_is_told_with_what_belongs_to_it(quotes):
    assert json.loads((await call("get_stock_price", symbol="aapl")).text) == {
        "symbol": "AAPL", "price": 261.74, "change": 1.2, "change_percent": 0.4606, "high": 263.31, "low": 260.68,
        "open": 261.07, "previous_close": 260.54, "time": "2020-02-25T14:30:00+00:00", "source": "127.0.0.1",
    }  # fmt: skip


async def test_a_price_is_asked_for_once(quotes):
    context = ToolContext()

    await call("get_stock_price", context, symbol="AAPL")
    await call("get_stock_price", context, symbol="aapl")

    assert len(quotes.requests) == 1


async def test_an_unknown_symbol_asks_the_model_for_another(quotes):
    outcome = await call("get_stock_price", symbol="NOPE")

    assert (outcome.kind, "NOPE" in outcome.text) == ("retry", True)


async def test_another_services_form_is_a_setting(settings):
    async def other(_request: web.Request) -> web.Response:
        return web.json_response(
            {"Global Quote": {"05. price": "12.50", "07. latest trading day": "2026-07-01"}}
        )

    async with serving(other) as server:
        settings.STOCK_QUOTE_URL = f"http://127.0.0.1:{server.port}/query?symbol={{symbol}}"
        settings.STOCK_QUOTE_FIELDS = [
            "price=Global Quote/05. price",
            "time=Global Quote/07. latest trading day",
        ]
        told = json.loads((await call("get_stock_price", symbol="IBM")).text)

    assert (told["price"], told["time"]) == (12.5, "2026-07-01")


async def test_a_site_without_a_key_says_so(settings):
    outcome = await call("get_stock_price", symbol="AAPL")

    assert (outcome.kind, "STOCK_QUOTE_KEY" in outcome.text) == ("unavailable", True)


async def test_a_refused_key_is_in_no_text(quotes, settings):
    settings.STOCK_QUOTE_KEY = "wrong-secret"

    outcome = await call("get_stock_price", symbol="AAPL")

    assert outcome.text == "The stock quote service is unavailable: it does not accept this site's key."
    assert "wrong-secret" not in repr(outcome)


async def test_a_symbol_cannot_change_the_request():
    assert (await call("get_stock_price", symbol="A&token=x")).kind == "bad_arguments"
