"""A report over the shop, made section by section: a long job that can be watched and stopped."""

import csv
import io
from collections.abc import Iterator
from typing import Annotated, Any, Final, Literal

from django.db.models import Count, F, Sum
from django.db.models.functions import TruncMonth
from msgspec import Meta, Struct

from tools.base import tool
from tools.context import ToolContext
from tools.models import Order, OrderLine, Product

MOST_MINUTES: Final = 8
"""Within what a task may take unless the site says otherwise (TASK_SECONDS)."""


class Section(Struct, frozen=True):
    title: str
    rows: tuple[tuple[str, str], ...]


@tool(timeout_seconds=MOST_MINUTES * 60 + 45, idempotent=True)
def make_report(
    context: ToolContext,
    subject: Literal["products", "orders", "both"] = "both",
    format: Literal["csv", "markdown", "both"] = "both",  # noqa: A002  (the model's word for it)
    minutes: Annotated[float, Meta(ge=0, le=MOST_MINUTES)] = 0,
) -> dict[str, Any]:
    """Makes a report over the product catalogue and the orders, as files to download.

    Args:
        subject: what it is about.
        format: of the files: a table for spreadsheets (csv), a text to read (markdown), or both.
        minutes: over how many minutes the work is spread, so as not to burden the database; 0 is as fast as it can.
    """
    titles = _titles(subject)
    made: list[Section] = []
    for at, (kind, name) in enumerate(titles):
        context.progress(at / len(titles), f"{name} ({at + 1} of {len(titles)})")
        made.append(_product_section(name) if kind == "category" else _order_section(name))
        context.wait(minutes * 60 / len(titles))
    context.progress(1, "writing the files")
    files = [
        {"file": context.files.add(name, media_type, content), "name": name, "bytes": len(content)}
        for name, media_type, content in _files(made, format, f"{context.now():%Y-%m-%d}")
    ]
    return {"sections": len(made), "rows": sum(len(section.rows) for section in made), "files": files}


def _titles(subject: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    if subject != "orders":
        categories = Product.objects.order_by("category").values_list("category", flat=True).distinct()
        found += [("category", name) for name in categories]
    if subject != "products":
        months = Order.objects.annotate(month=TruncMonth("placed_at")).order_by("month")
        found += [("month", f"{month:%Y-%m}") for month in months.values_list("month", flat=True).distinct()]
    return found


def _product_section(category: str) -> Section:
    products = Product.objects.filter(category=category)
    rows = [
        (f"{item.name} ({item.sku})", f"{item.price} {item.currency}, {item.stock} in stock")
        for item in products
    ]
    return Section(f"Products: {category}", tuple(rows))


def _order_section(month: str) -> Section:
    year, number = map(int, month.split("-"))
    orders = Order.objects.filter(placed_at__year=year, placed_at__month=number)
    states = orders.order_by("status").values_list("status").annotate(count=Count("id"))
    lines = OrderLine.objects.filter(order__in=orders).exclude(order__status="cancelled")
    sums = lines.values_list("order__currency").annotate(sum=Sum(F("quantity") * F("unit_price")))
    rows = [(f"orders {status}", str(count)) for status, count in states]
    rows += [
        ("turnover", f"{amount:.2f} {currency}") for currency, amount in sums.order_by("order__currency")
    ]
    return Section(f"Orders: {month}", tuple(rows))


def _files(sections: list[Section], form: str, day: str) -> Iterator[tuple[str, str, bytes]]:
    if form != "markdown":
        yield f"report-{day}.csv", "text/csv", _csv(sections).encode()
    if form != "csv":
        yield f"report-{day}.md", "text/markdown", _markdown(sections, day).encode()


def _csv(sections: list[Section]) -> str:
    text = io.StringIO()
    table = csv.writer(text)
    table.writerow(("section", "what", "value"))
    for section in sections:
        table.writerows([_harmless(cell) for cell in (section.title, *row)] for row in section.rows)
    return text.getvalue()


def _harmless(cell: str) -> str:
    """Spreadsheets run what begins like a formula."""
    return f"'{cell}" if cell[:1] in "=+-@\t\r" else cell


def _markdown(sections: list[Section], day: str) -> str:
    parts = [f"# Report of {day}\n"]
    for section in sections:
        rows = [f"| {what} | {value} |" for what, value in (map(_one_line, row) for row in section.rows)]
        parts.append("\n".join([f"## {_one_line(section.title)}\n", "| | |", "|---|---|", *rows, ""]))
    return "\n".join(parts)


def _one_line(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())
