"""Prices in the admin: added and looked at; what holds or has held is history."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.utils import timezone

from chat.models import Price, User
from tests.factories import LanguageModelFactory, PriceFactory

pytestmark = pytest.mark.django_db

LIST = "/admin/chat/price/"
MODELS = "/admin/chat/languagemodel/"


@pytest.fixture
def admin(client: Client, ada: User) -> Client:
    client.force_login(ada, backend="django.contrib.auth.backends.ModelBackend")
    return client


def test_all_prices_are_listed(admin: Client):
    price = PriceFactory.create(input=Decimal("0.35"))

    body = admin.get(LIST).content.decode()

    assert "0.350000" in body
    assert price.model.full_name in body


def test_a_price_is_added(admin: Client):
    model = LanguageModelFactory.create()
    form = {"model": str(model.pk), "currency": "EUR", "input": "1", "output": "2"}
    form |= {"valid_from_0": "2030-01-01", "valid_from_1": "00:00:00"}

    response = admin.post(f"{LIST}add/", form)

    assert response.status_code == 302, response.content.decode()
    price = Price.objects.get()
    assert (price.model, price.currency, price.input, price.from_list) == (model, "EUR", Decimal(1), False)


def test_a_price_that_holds_can_neither_be_changed_nor_deleted(admin: Client):
    price = PriceFactory.create()

    assert admin.post(f"{LIST}{price.pk}/change/", {"input": "9"}).status_code == 403
    assert admin.post(f"{LIST}{price.pk}/delete/", {"post": "yes"}).status_code == 403
    assert Price.objects.get().input == 2


def test_one_that_is_still_to_come_can_be_taken_back(admin: Client):
    price = PriceFactory.create(valid_from=timezone.now() + timedelta(days=1))

    admin.post(f"{LIST}{price.pk}/delete/", {"post": "yes"})

    assert not Price.objects.exists()


def test_chosen_models_are_given_their_list_prices(admin: Client):
    model = LanguageModelFactory.create(name="gpt-4.1")
    chosen = {"action": "list_prices", "_selected_action": [str(model.pk)]}

    body = admin.post(MODELS, chosen, follow=True).content.decode()

    assert "costs 2 / 8 USD per million tokens from now on. (list price)" in body
    assert Price.objects.get().from_list
    assert "The list says nothing new" in admin.post(MODELS, chosen, follow=True).content.decode()


def test_not_by_who_may_not_add_prices(client: Client, alice: User):
    alice.is_staff = True
    alice.save()
    alice.user_permissions.set(Permission.objects.filter(codename__in=["change_languagemodel"]))
    client.force_login(alice, backend="django.contrib.auth.backends.ModelBackend")
    model = LanguageModelFactory.create(name="gpt-4.1")

    body = client.post(
        MODELS, {"action": "list_prices", "_selected_action": [str(model.pk)]}, follow=True
    ).content.decode()

    assert "You may not add prices." in body
    assert not Price.objects.exists()
