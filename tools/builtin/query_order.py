"""One order of the shop, without who made it: whoever may use the tool may ask for any."""

from decimal import Decimal
from typing import Annotated, Any

from msgspec import Meta

from tools.base import tool
from tools.exceptions import ToolRetry
from tools.models import ORDER_NUMBER, Order


# `$` alone lets a line break through after it; \Z is none of JSON schema's, which models are given.
@tool(timeout_seconds=20, idempotent=True)
def query_order(order_id: Annotated[str, Meta(pattern=f"^{ORDER_NUMBER}$", max_length=18)]) -> dict[str, Any]:
    """Looks an order up: its state, what was ordered, and what it costs.

    Args:
        order_id: its number, of the form ORD-YYYYMMDD-XXXXX.
    """
    order = Order.objects.with_totals().filter(number=order_id).first()
    if order is None:
        raise ToolRetry(f"There is no order {order_id}. Check the number.")
    lines = order.lines.select_related("product").order_by("product__name")
    return {
        "order_id": order.number,
        "status": order.status,
        "placed_at": order.placed_at,
        "shipped_at": order.shipped_at,
        "lines": [
            {
                "sku": line.product.sku,
                "name": line.product.name,
                "quantity": line.quantity,
                "unit_price": money(line.unit_price, order.currency),
            }
            for line in lines
        ],
        "total": money(order.amount, order.currency),  # type: ignore[attr-defined]
    }


def money(amount: Decimal, currency: str) -> dict[str, str]:
    return {"amount": str(amount.quantize(Decimal("0.01"))), "currency": currency}
