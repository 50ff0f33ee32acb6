"""Tables: what staff have set for tools, and the shop that two of the built-in tools ask."""

from tools.models.settings import ToolSetting
from tools.models.shop import MOST_WORDS, ORDER_NUMBER, Order, OrderLine, Product

__all__ = ["MOST_WORDS", "ORDER_NUMBER", "Order", "OrderLine", "Product", "ToolSetting"]
