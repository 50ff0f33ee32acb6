"""The built-in tools, found by the registry as those of every other app are."""

from tools.builtin.calculate import calculate
from tools.builtin.current_time import current_time
from tools.builtin.fetch_page import fetch_page
from tools.builtin.get_stock_price import get_stock_price
from tools.builtin.get_weather import get_weather
from tools.builtin.make_report import make_report
from tools.builtin.query_order import query_order
from tools.builtin.search_database import search_database

__all__ = (
    "calculate", "current_time", "fetch_page", "get_stock_price", "get_weather", "make_report", "query_order",
    "search_database",
)  # fmt: skip
