"""What is in the shop of a new installation: 24 products and 30 orders, the same everywhere.

Everything is made up. The command `demo_shop` brings it back, or takes it away.
"""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from django.db import transaction

PRODUCTS: Final = (
    # SKU, name, category, description, price, stock
    ("AUD-100", "Reed over-ear headphones", "Audio", "Closed, wired, with a cable that can be replaced.", "89.00", 41),
    ("AUD-110", "Reed wireless headphones", "Audio", "Closed, Bluetooth, 40 hours, folds flat.", "149.00", 17),
    ("AUD-200", "Pebble speaker", "Audio", "A speaker for the kitchen, splash-proof, 12 hours.", "59.90", 63),
    ("AUD-210", "Boulder speaker", "Audio", "A speaker for the garden; two of them make stereo.", "219.00", 8),
    ("BAG-010", "Courier bag", "Bags", "Waxed cotton, fits a 15 inch laptop.", "118.00", 22),
    ("BAG-020", "Day rucksack", "Bags", "18 litres, 640 g, with a sleeve for a laptop.", "79.50", 35),
    ("BAG-030", "Cable pouch", "Bags", "Keeps chargers and cables apart.", "19.00", 120),
    ("CAM-100", "Lark compact camera", "Cameras", "A fixed 28 mm lens and a real viewfinder.", "749.00", 4),
    ("CAM-200", "Doorstep camera", "Cameras", "Keeps its pictures at home, no account needed.", "99.00", 26),
    ("CAM-300", "Tripod, small", "Cameras", "Carries 2 kg, folds to 28 cm.", "34.90", 57),
    ("KEY-075", "Compact keyboard", "Keyboards", "75 %, tactile switches, USB-C and Bluetooth.", "129.00", 14),
    ("KEY-100", "Full keyboard", "Keyboards", "With a number pad, quiet linear switches.", "139.00", 11),
    ("KEY-900", "Wrist rest", "Keyboards", "Walnut, oiled, for compact keyboards.", "29.00", 48),
    ("LAP-140", "Finch 14 laptop", "Laptops", "14 inch, 16 GB, 512 GB, 1.2 kg, repairable.", "1199.00", 9),
    ("LAP-160", "Finch 16 laptop", "Laptops", "16 inch, 32 GB, 1 TB, 1.8 kg, repairable.", "1649.00", 5),
    ("LAP-900", "Laptop stand", "Laptops", "Aluminium, six heights, folds flat.", "44.00", 73),
    ("LIG-010", "Desk lamp", "Light", "Warm to cold, remembers its setting.", "64.00", 31),
    ("LIG-020", "Bike light, front", "Light", "120 lux, charges over USB-C.", "54.00", 0),
    ("LIG-030", "Bike light, rear", "Light", "With a brake light, charges over USB-C.", "32.00", 19),
    ("MON-270", "Panorama 27 monitor", "Monitors", "27 inch, 4K, one cable for picture and power.", "479.00", 7),
    ("MON-340", "Panorama 34 monitor", "Monitors", "34 inch, curved, for two windows side by side.", "699.00", 3),
    ("PEN-001", "Notebook, dotted", "Paper", "A5, 192 pages, lies flat.", "14.50", 240),
    ("PEN-002", "Fountain pen", "Paper", "Fine steel nib, with a converter.", "38.00", 52),
    ("POW-065", "Charger 65 W", "Power", "Two USB-C and one USB-A, small enough for a pocket.", "39.90", 88),
)  # fmt: skip
_FIRST: Final = datetime(2026, 9, 1, 8, 15, tzinfo=UTC)
_CUSTOMERS: Final = ("A. Example", "B. Sample", "C. Specimen", "D. Placeholder", "E. Nobody")
_STATES: Final = ("delivered", "delivered", "delivered", "shipped", "packed", "received", "cancelled")
_LETTERS: Final = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"


def order_number(index: int) -> str:
    """Of the demo order at a place in the row: no two alike, and none that somebody might guess from another."""
    scrambled, tail = (index + 1) * 7_654_321, ""
    for _ in range(5):
        scrambled, letter = divmod(scrambled, len(_LETTERS))
        tail += _LETTERS[letter]
    return f"ORD-{_placed_at(index):%Y%m%d}-{tail}"


def _placed_at(index: int) -> datetime:
    return _FIRST + timedelta(days=index * 2, hours=index % 9, minutes=index * 7 % 60)


def load(product: Any, order: Any, line: Any) -> int:
    """Adds what is missing, changes nothing; returns how many rows. Takes the models, as a migration has them."""
    with transaction.atomic():
        known = set(product.objects.values_list("sku", flat=True))
        rows = [
            product(
                sku=sku, name=name, category=category, description=told, price=Decimal(price), stock=stock
            )
            for sku, name, category, told, price, stock in PRODUCTS
            if sku not in known
        ]
        product.objects.bulk_create(rows)
        return len(rows) + _load_orders(product, order, line)


def _load_orders(product: Any, order: Any, line: Any) -> int:
    products = list(product.objects.filter(sku__in=[row[0] for row in PRODUCTS]).order_by("sku"))
    known = set(order.objects.values_list("number", flat=True))
    missing = [index for index in range(30) if order_number(index) not in known]
    for index in missing:
        status, placed = _STATES[index % len(_STATES)], _placed_at(index)
        made = order.objects.create(
            number=order_number(index),
            status=status,
            customer=_CUSTOMERS[index % len(_CUSTOMERS)],
            placed_at=placed,
            shipped_at=placed + timedelta(days=1, hours=5) if status in {"shipped", "delivered"} else None,
        )
        chosen = [products[(index * 5 + step * 7) % len(products)] for step in range(1 + index % 3)]
        line.objects.bulk_create(
            line(order=made, product=item, quantity=1 + (index + at) % 3, unit_price=item.price)
            for at, item in enumerate(chosen)
        )
    return len(missing)


def remove(product: Any, order: Any) -> int:
    """Takes the demo away again: its orders, and those of its products that no other order has."""
    with transaction.atomic():
        orders = order.objects.filter(number__in=[order_number(index) for index in range(30)])
        gone: int = orders.count()
        orders.delete()
        products = product.objects.filter(sku__in=[row[0] for row in PRODUCTS], order_lines__isnull=True)
        gone += int(products.count())
        products.delete()
        return gone
