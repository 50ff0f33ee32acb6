"""The weather from Open-Meteo (https://open-meteo.com/en/docs), which asks for no key."""

from typing import Annotated, Any, Final, Literal

from msgspec import Meta, Struct

from tools.base import tool
from tools.builtin.online import ask
from tools.conf import outbound_policy, weather_service
from tools.context import ToolContext
from tools.exceptions import ToolRetry, ToolUnavailable

SERVICE: Final = "The weather service"
_CURRENT: Final = (
    "temperature_2m,apparent_temperature,relative_humidity_2m,precipitation,weather_code,wind_speed_10m"
)
_DAILY: Final = "weather_code,temperature_2m_max,temperature_2m_min,precipitation_sum"
_CODES: Final = {
    0: "clear", 1: "mostly clear", 2: "partly cloudy", 3: "overcast", 45: "fog", 48: "freezing fog",
    51: "light drizzle", 53: "drizzle", 55: "heavy drizzle", 56: "light freezing drizzle", 57: "freezing drizzle",
    61: "light rain", 63: "rain", 65: "heavy rain", 66: "light freezing rain", 67: "freezing rain",
    71: "light snow", 73: "snow", 75: "heavy snow", 77: "snow grains", 80: "light showers", 81: "showers",
    82: "heavy showers", 85: "light snow showers", 86: "snow showers", 95: "thunderstorm",
    96: "thunderstorm with light hail", 99: "thunderstorm with hail",
}  # fmt: skip
"""WMO 4677, as far as the service uses it."""


class Found(Struct):
    name: str
    latitude: float
    longitude: float
    country: str = ""
    country_code: str = ""
    admin1: str = ""


class Places(Struct):
    results: list[Found] = []


class Current(Struct):
    time: str
    temperature_2m: float
    weather_code: int
    apparent_temperature: float | None = None
    relative_humidity_2m: float | None = None
    precipitation: float | None = None
    wind_speed_10m: float | None = None


class Daily(Struct):
    time: list[str]
    weather_code: list[int | None]
    temperature_2m_max: list[float | None]
    temperature_2m_min: list[float | None]
    precipitation_sum: list[float | None]


class Forecast(Struct):
    current: Current
    daily: Daily
    timezone: str = ""


@tool(timeout_seconds=40, idempotent=True)
async def get_weather(
    city: Annotated[str, Meta(min_length=2, max_length=100)],
    context: ToolContext,
    unit: Literal["celsius", "fahrenheit"] = "celsius",
) -> dict[str, Any]:
    """The weather in a city: now, and for today and the next two days.

    Args:
        city: its name, with the country or state after a comma where there are several, such as "Berlin" or
            "Paris, Texas".
        unit: of the temperatures.
    """
    key = f"weather {unit} {' '.join(city.casefold().split())}"
    known: dict[str, Any] | None = context.cache.get(key)
    if known is None:
        known = await _asked(city, unit)
        context.cache.set(key, known)
    return known


async def _asked(city: str, unit: str) -> dict[str, Any]:
    service, policy = weather_service(), outbound_policy()
    name, _, hint = city.partition(",")
    places = await ask(
        policy.with_service(service.geocoding_url),
        SERVICE,
        f"{service.geocoding_url}/v1/search",
        Places,
        {"name": name.strip(), "count": "20" if hint.strip() else "1", "language": "en", "format": "json"},
    )
    found = _chosen(places.results, hint)
    if found is None:
        raise ToolRetry(
            f"No place called {city!r} was found. Give the name of a city, maybe with its country."
        )
    forecast = await ask(
        policy.with_service(service.forecast_url),
        SERVICE,
        f"{service.forecast_url}/v1/forecast",
        Forecast,
        {
            "latitude": f"{found.latitude:.4f}", "longitude": f"{found.longitude:.4f}", "current": _CURRENT,
            "daily": _DAILY, "temperature_unit": unit, "timezone": "auto", "forecast_days": "3",
        },
    )  # fmt: skip
    return _told(found, forecast, "°F" if unit == "fahrenheit" else "°C")


def _chosen(places: list[Found], hint: str) -> Found | None:
    """The service's first, which is its largest; with a hint, the first whose country or state has it."""
    wanted = hint.strip().casefold()
    fitting = (
        p for p in places if wanted in {p.country_code.casefold(), p.country.casefold(), p.admin1.casefold()}
    )
    loosely = (p for p in places if wanted in f"{p.country} {p.admin1}".casefold())
    return next(fitting, None) or next(loosely, None) if wanted else next(iter(places), None)


def _told(place: Found, forecast: Forecast, unit: str) -> dict[str, Any]:
    now, daily = forecast.current, forecast.daily
    try:
        days = [
            {
                "date": day,
                "conditions": _conditions(daily.weather_code[at]),
                "high": daily.temperature_2m_max[at],
                "low": daily.temperature_2m_min[at],
                "precipitation_mm": daily.precipitation_sum[at],
            }
            for at, day in enumerate(daily.time)
        ]
    except IndexError as error:
        raise ToolUnavailable(f"{SERVICE} is unavailable: its answer is not whole.") from error
    return {
        "place": ", ".join(part for part in dict.fromkeys((place.name, place.admin1, place.country)) if part),
        "local_time": now.time,
        "time_zone": forecast.timezone,
        "unit": unit,
        "conditions": _conditions(now.weather_code),
        "temperature": now.temperature_2m,
        "feels_like": now.apparent_temperature,
        "humidity_percent": now.relative_humidity_2m,
        "precipitation_mm": now.precipitation,
        "wind_km_per_hour": now.wind_speed_10m,
        "days": days,
        "source": "Open-Meteo.com",
    }


def _conditions(code: int | None) -> str:
    return "unknown" if code is None else _CODES.get(code, f"weather code {code}")
