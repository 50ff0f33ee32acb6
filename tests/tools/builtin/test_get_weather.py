"""The weather, from a server that answers as Open-Meteo's documentation says."""

import json
from typing import Any

import pytest
from aiohttp import web

from tests.tools.calling import call
from tests.tools.net.servers import serving
from tools.context import ToolContext

BERLIN = {
    "id": 2950159, "name": "Berlin", "latitude": 52.52437, "longitude": 13.41053, "elevation": 74.0,
    "feature_code": "PPLC", "country_code": "DE", "timezone": "Europe/Berlin", "population": 3426354,
    "country_id": 2921044, "country": "Germany", "admin1": "State of Berlin",
}  # fmt: skip
TEXAS = {"id": 1, "name": "Paris", "latitude": 33.66, "longitude": -95.55, "country": "United States",
         "country_code": "US", "admin1": "Texas"}  # fmt: skip
FRANCE = {
    "id": 2,
    "name": "Paris",
    "latitude": 48.85,
    "longitude": 2.35,
    "country": "France",
    "country_code": "FR",
}
FORECAST: dict[str, Any] = {
    "latitude": 52.52, "longitude": 13.42, "generationtime_ms": 0.06, "utc_offset_seconds": 7200,
    "timezone": "Europe/Berlin", "timezone_abbreviation": "CEST", "elevation": 74.0,
    "current_units": {"time": "iso8601", "temperature_2m": "°C", "weather_code": "wmo code"},
    "current": {
        "time": "2026-07-01T15:15", "interval": 900, "temperature_2m": 23.4, "apparent_temperature": 22.9,
        "relative_humidity_2m": 41, "precipitation": 0.0, "weather_code": 61, "wind_speed_10m": 12.2,
    },
    "daily": {
        "time": ["2026-07-01", "2026-07-02", "2026-07-03"], "weather_code": [61, 3, None],
        "temperature_2m_max": [25.1, 24.0, None], "temperature_2m_min": [14.2, 13.0, None],
        "precipitation_sum": [1.2, 0.0, None],
    },
}  # fmt: skip


class OpenMeteo:
    def __init__(self) -> None:
        self.places: dict[str, list[dict[str, Any]]] = {"Berlin": [BERLIN], "Paris": [FRANCE, TEXAS]}
        self.forecast: Any = FORECAST
        self.status = 200
        self.queries: list[dict[str, str]] = []

    async def __call__(self, request: web.Request) -> web.Response:
        self.queries.append(dict(request.query))
        if self.status != 200:
            return web.json_response(
                {"error": True, "reason": "no"}, status=self.status, headers={"Retry-After": "7"}
            )
        if request.path == "/v1/search":
            found = self.places.get(request.query["name"], [])
            # Without results, the service leaves the list away.
            return web.json_response(
                {"results": found, "generationtime_ms": 1} if found else {"generationtime_ms": 1}
            )
        assert request.path == "/v1/forecast"
        return web.json_response(self.forecast)


@pytest.fixture
async def weather(settings):
    service = OpenMeteo()
    async with serving(service) as server:
        settings.WEATHER_URL = settings.GEOCODING_URL = f"http://127.0.0.1:{server.port}"
        yield service


async def test_it_is_told_for_now_and_for_three_days(weather: OpenMeteo):
    told = json.loads((await call("get_weather", city="Berlin")).text)

    assert told["place"] == "Berlin, State of Berlin, Germany"
    assert (told["temperature"], told["unit"], told["conditions"]) == (23.4, "°C", "light rain")
    assert told["days"][1] == {
        "date": "2026-07-02", "conditions": "overcast", "high": 24.0, "low": 13.0, "precipitation_mm": 0.0,
    }  # fmt: skip
    assert told["days"][2]["conditions"] == "unknown"
    assert weather.queries[1]["latitude"] == "52.5244"
    assert weather.queries[1]["temperature_unit"] == "celsius"


async def test_fahrenheit_is_asked_for_upstream(weather: OpenMeteo):
    told = json.loads((await call("get_weather", city="Berlin", unit="fahrenheit")).text)

    assert told["unit"] == "°F"
    assert weather.queries[1]["temperature_unit"] == "fahrenheit"


@pytest.mark.parametrize(
    ("city", "place"),
    [
        ("Paris", "Paris, France"),
        ("Paris, Texas", "Paris, Texas, United States"),
        ("Paris, us", "Paris, Texas, United States"),
    ],
)
async def test_of_several_places_the_one_that_was_meant(weather: OpenMeteo, city: str, place: str):
    assert json.loads((await call("get_weather", city=city)).text)["place"] == place


@pytest.mark.parametrize("city", ["Atlantis", "Paris, Narnia"])
async def test_no_such_place_asks_the_model_for_another(weather: OpenMeteo, city: str):
    outcome = await call("get_weather", city=city)

    assert outcome.kind == "retry"
    assert city in outcome.text


async def test_the_same_question_is_asked_upstream_once(weather: OpenMeteo):
    context = ToolContext()

    first = await call("get_weather", context, city="Berlin")
    second = await call("get_weather", context, city=" berlin ")

    assert first.text == second.text
    assert len(weather.queries) == 2
    await call("get_weather", context, city="Berlin", unit="fahrenheit")
    assert len(weather.queries) == 4


async def test_a_busy_service_is_unavailable_and_says_until_when(weather: OpenMeteo):
    weather.status = 429
    context = ToolContext()

    outcome = await call("get_weather", context, city="Berlin")

    assert (outcome.kind, outcome.retryable, outcome.retry_after_seconds) == ("unavailable", True, 7)
    assert outcome.text.startswith("The weather service is unavailable")
    weather.status = 200
    assert (await call("get_weather", context, city="Berlin")).status == "succeeded"


@pytest.mark.parametrize(
    "forecast", [[], {"current": {}}, {**FORECAST, "daily": {**FORECAST["daily"], "weather_code": []}}]
)
async def test_an_answer_that_makes_no_sense_is_unavailable(weather: OpenMeteo, forecast: Any):
    weather.forecast = forecast

    assert (await call("get_weather", city="Berlin")).kind == "unavailable"


async def test_without_a_network_it_says_so_in_words(settings):
    async with serving(OpenMeteo()) as server:
        settings.WEATHER_URL = settings.GEOCODING_URL = f"http://127.0.0.1:{server.port}"

    outcome = await call("get_weather", city="Berlin")

    assert outcome.kind == "unavailable"
    assert outcome.text == "The weather service is unavailable: 127.0.0.1 does not answer."
