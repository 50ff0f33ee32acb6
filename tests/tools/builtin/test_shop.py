"""The catalogue, the orders, and the report over both."""

import csv
import io
import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from django.core.management import call_command

from tests.tools.calling import call_here
from tools import demo_shop
from tools.context import MemoryFiles, ToolContext
from tools.models import Order, OrderLine, Product

pytestmark = [pytest.mark.django_db, pytest.mark.both_columns]
DAY = datetime(2026, 3, 4, 9, 30, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _empty_shop(db):
    OrderLine.objects.all().delete()
    Order.objects.all().delete()
    Product.objects.all().delete()


def product(
    sku: str, name: str, price: str = "10.00", category: str = "Things", description: str = ""
) -> Product:
    return Product.objects.create(
        sku=sku, name=name, price=Decimal(price), category=category, description=description, stock=3
    )


def order(number: str, *lines: tuple[Product, int], status: str = "shipped") -> Order:
    made = Order.objects.create(number=number, status=status, customer="C. Ustomer", placed_at=DAY)
    for item, quantity in lines:
        OrderLine.objects.create(order=made, product=item, quantity=quantity, unit_price=item.price)
    return made


def test_a_search_finds_what_has_every_word_and_names_come_first():
    product("A", "Cable", description="for a red lamp")
    product("B", "Red lamp")
    product("C", "Red chair")

    told = json.loads(call_here("search_database", query="lamp RED").text)

    assert told["found"] == 2
    assert [found["sku"] for found in told["products"]] == ["B", "A"]
    assert told["products"][0]["price"] == {"amount": "10.00", "currency": "EUR"}


def test_a_search_gives_as_many_as_asked_for_and_says_how_many_there_are():
    for number in range(5):
        product(f"S{number}", f"Lamp {number}")

    told = json.loads(call_here("search_database", query="lamp", limit=2).text)

    assert (told["found"], len(told["products"])) == (5, 2)


@pytest.mark.parametrize("query", ["%", "_", "'; DROP TABLE tools_product; --", "\\", " "])
def test_a_search_takes_every_character_as_it_is(query: str):
    product("A", "Lamp")

    assert json.loads(call_here("search_database", query=query).text) == {"found": 0, "products": []}


def test_an_order_is_told_with_its_total_and_without_its_customer():
    order("ORD-20260304-AB12C", (product("A", "Lamp", "19.90"), 2), (product("B", "Pen", "1.25"), 4))

    text = call_here("query_order", order_id="ORD-20260304-AB12C").text
    told = json.loads(text)

    assert told["total"] == {"amount": "44.80", "currency": "EUR"}
    assert [line["quantity"] for line in told["lines"]] == [2, 4]
    assert (told["status"], told["placed_at"]) == ("shipped", "2026-03-04T09:30:00Z")
    assert "Ustomer" not in text


def test_an_order_without_lines_costs_nothing():
    order("ORD-20260304-AB12C")

    assert (
        json.loads(call_here("query_order", order_id="ORD-20260304-AB12C").text)["total"]["amount"] == "0.00"
    )


def test_an_unknown_order_is_said_in_words():
    assert call_here("query_order", order_id="ORD-20260304-ZZZZZ").kind == "retry"


@pytest.mark.parametrize(
    "number", ["", "1", "ORD-2026-AB12C", "ORD-20260304-ab12c", "AORD-20260304-AB12C", "ORD-20260304-AB12C\n"]
)
def test_what_is_no_order_number_is_not_looked_up(number: str):
    assert call_here("query_order", order_id=number).kind == "bad_arguments"


def small_shop() -> None:
    lamp = product("A", "=Lamp()", "19.90", category="Light")
    pen = product("B", "Pen | fine", "1.25", category="Paper")
    order("ORD-20260304-AAAAA", (lamp, 2))
    order("ORD-20260304-BBBBB", (pen, 4), status="cancelled")


def test_a_report_is_made_of_files_and_tells_its_progress():
    small_shop()
    told: list[tuple[float | None, str]] = []
    files = MemoryFiles()
    context = ToolContext(files=files, report=lambda *what: told.append(what), now=lambda: DAY)

    outcome = call_here("make_report", context)

    assert json.loads(outcome.text)["sections"] == 3
    assert told == [
        (0.0, "Light (1 of 3)"), (1 / 3, "Paper (2 of 3)"), (2 / 3, "2026-03 (3 of 3)"), (1, "writing the files"),
    ]  # fmt: skip
    assert [(name, kind) for name, kind, _ in files.added] == [
        ("report-2026-03-04.csv", "text/csv"), ("report-2026-03-04.md", "text/markdown"),
    ]  # fmt: skip
    rows = list(csv.reader(io.StringIO(files.added[0][2].decode())))
    assert rows[1] == ["Products: Light", "'=Lamp() (A)", "19.90 EUR, 3 in stock"]
    assert ["Orders: 2026-03", "turnover", "39.80 EUR"] in rows
    assert "| Pen \\| fine (B) | 1.25 EUR, 3 in stock |" in files.added[1][2].decode()


def test_a_long_report_takes_its_minutes():
    small_shop()
    now = [0.0]
    context = ToolContext(clock=lambda: now[0], sleep=lambda seconds: now.__setitem__(0, now[0] + seconds))

    assert call_here("make_report", context, minutes=6).status == "succeeded"
    assert now[0] == pytest.approx(6 * 60)


def test_a_long_report_that_is_stopped_makes_no_files():
    small_shop()
    now, files = [0.0], MemoryFiles()
    context = ToolContext(
        clock=lambda: now[0],
        sleep=lambda seconds: now.__setitem__(0, now[0] + seconds),
        is_cancelled=lambda: now[0] > 60,
        files=files,
    )

    assert call_here("make_report", context, minutes=6).status == "cancelled"
    assert now[0] == pytest.approx(60, abs=1)
    assert files.added == []


def test_a_report_over_nothing_is_empty():
    assert json.loads(call_here("make_report", subject="orders", format="csv").text)["rows"] == 0


def test_the_demo_shop_comes_once_and_goes():
    call_command("demo_shop", stdout=io.StringIO())
    call_command("demo_shop", stdout=io.StringIO())
    assert (Product.objects.count(), Order.objects.count()) == (24, 30)
    assert OrderLine.objects.count() == 60
    own = product("OWN", "Mine")

    call_command("demo_shop", "--remove", stdout=io.StringIO())

    assert list(Product.objects.all()) == [own]
    assert Order.objects.count() == 0


def test_demo_orders_have_numbers_of_the_right_form():
    numbers = [demo_shop.order_number(index) for index in range(30)]

    assert len(set(numbers)) == 30
    for number in numbers:
        Order(number=number, placed_at=DAY).full_clean()


def test_removing_the_demo_keeps_a_product_that_somebody_has_ordered():
    demo_shop.load(Product, Order, OrderLine)
    order("ORD-20260304-AB12C", (Product.objects.get(sku="LIG-010"), 1))

    demo_shop.remove(Product, Order)

    assert [kept.sku for kept in Product.objects.all()] == ["LIG-010"]
