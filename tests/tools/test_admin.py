"""The shop in the admin."""

import pytest
from django.test import Client

from chat.models import User
from tools.demo_shop import order_number
from tools.models import Order

pytestmark = pytest.mark.django_db


@pytest.fixture
def demo_order(db: None) -> Order:
    number = order_number(7)
    return Order.objects.get_or_create(number=number, defaults={"placed_at": "2026-09-15T08:00Z"})[0]


def test_staff_see_orders_with_what_they_come_to(client: Client, ada: User, demo_order: Order):
    client.force_login(ada)

    page = client.get("/admin/tools/order/", {"q": demo_order.number, "o": "-5"}).content.decode()

    assert demo_order.number in page
    assert "1 order" in page


@pytest.mark.parametrize("path", ["product/?q=lamp", "product/add/", "order/add/"])
def test_every_page_of_it_opens(client: Client, ada: User, path: str):
    client.force_login(ada)

    assert client.get(f"/admin/tools/{path}").status_code == 200


def test_an_order_opens_with_its_lines(client: Client, ada: User, demo_order: Order):
    client.force_login(ada)

    page = client.get(f"/admin/tools/order/{demo_order.pk}/change/").content.decode()

    assert demo_order.number in page
    assert "lines-TOTAL_FORMS" in page


def test_others_do_not_get_in(client: Client, mallory: User):
    client.force_login(mallory)

    assert client.get("/admin/tools/product/").status_code == 302
