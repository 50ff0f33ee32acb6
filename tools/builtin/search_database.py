"""The product catalogue."""

from typing import Annotated, Any

from msgspec import Meta

from tools.base import tool
from tools.models import Product


@tool(timeout_seconds=20, idempotent=True)
def search_database(
    query: Annotated[str, Meta(min_length=1, max_length=200)], limit: Annotated[int, Meta(ge=1, le=50)] = 10
) -> dict[str, Any]:
    """Searches the product catalogue, and tells prices and stock.

    Args:
        query: words that all must be in a product's name, category, description or SKU, such as "wireless headphones".
        limit: how many products at most.
    """
    found = Product.objects.matching(query)
    return {"found": found.count(), "products": [_told(product) for product in found[:limit]]}


def _told(product: Product) -> dict[str, Any]:
    return {
        "sku": product.sku,
        "name": product.name,
        "category": product.category,
        "description": product.description,
        "price": {"amount": str(product.price), "currency": product.currency},
        "in_stock": product.stock,
    }
