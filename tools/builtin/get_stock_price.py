"""The price of a share, from a service that the settings name.

The answer is expected in the form of Finnhub's `quote` (https://finnhub.io/docs/api/quote), which costs nothing but a
key: `{"c": 261.74, "d": 1.2, "dp": 0.46, "h": 263.31, "l": 260.68, "o": 261.07, "pc": 260.54, "t": 1582641000}`.
STOCK_QUOTE_FIELDS says where another service has these.
"""

from datetime import UTC, datetime
from typing import Annotated, Any, Final
from urllib.parse import quote, urlsplit

from msgspec import Meta

from tools.base import tool
from tools.builtin.online import ask
from tools.conf import QuoteService, outbound_policy, quote_service
from tools.context import ToolContext
from tools.exceptions import ToolRetry, ToolUnavailable

SERVICE: Final = "The stock quote service"


@tool(timeout_seconds=30, idempotent=True)
async def get_stock_price(
    symbol: Annotated[str, Meta(pattern=r"^[A-Za-z0-9.:^=-]{1,20}$")], context: ToolContext
) -> dict[str, Any]:
    """The latest price of a share.

    Args:
        symbol: its ticker symbol, such as AAPL; not the company's name.
    """
    symbol = symbol.upper()
    known: dict[str, Any] | None = context.cache.get(f"stock {symbol}")
    if known is None:
        known = await _asked(quote_service(), symbol)
        context.cache.set(f"stock {symbol}", known)
    return known


async def _asked(service: QuoteService, symbol: str) -> dict[str, Any]:
    if not service.url or ("{key}" in service.url and not service.key):
        raise ToolUnavailable(
            f"{SERVICE} is unavailable: nobody has set it up on this site (STOCK_QUOTE_KEY)."
        )
    url = service.url.replace("{symbol}", quote(symbol, safe="")).replace(
        "{key}", quote(service.key, safe="")
    )
    answer = await ask(outbound_policy().with_service(url), SERVICE, url, dict[str, Any])
    values = {name: _at(answer, path) for name, path in service.fields.items()}
    price = _number(values.pop("price"))
    if not price:  # unknown symbols come back as zeros, or as nothing
        raise ToolRetry(f"There is no price for the symbol {symbol}. Check the ticker symbol.")
    told = {name: _told(name, value) for name, value in values.items() if value is not None}
    return {"symbol": symbol, "price": price, **told, "source": urlsplit(url).hostname}


def _at(answer: Any, path: str) -> Any:
    """`Global Quote/05. price`: names from the outside in. None where there is nothing."""
    for name in path.split("/"):
        answer = answer.get(name) if isinstance(answer, dict) else None
    return answer


def _told(name: str, value: Any) -> Any:
    if name == "time" and (seconds := _number(value)) is not None and 0 < seconds < 10**11:
        return datetime.fromtimestamp(seconds, UTC).isoformat()
    number = _number(value)
    return value if number is None else number


def _number(value: Any) -> float | None:
    """Some services write their numbers as texts."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except ValueError:
        return None
