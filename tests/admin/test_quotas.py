"""Quotas in the admin."""

from decimal import Decimal

import pytest
from django.urls import reverse
from django.utils import timezone

from chat.models import Quota, QuotaUse, Reservation
from chat.usage.known_quotas import KNOWN
from chat.usage.quota_periods import begins
from tests.factories import ApiTokenFactory, RunFactory

pytestmark = pytest.mark.django_db

LIST = reverse("admin:chat_quota_changelist")


@pytest.fixture
def staff(client, ada):
    client.force_login(ada)
    return client


def form(**fields):
    return {"name": "All", "binds": "everybody", "enabled": "on", "currency": "usd"} | fields


def add(staff, **fields):
    return staff.post(reverse("admin:chat_quota_add"), form(**fields))


def test_a_quota_is_made(staff):
    assert add(staff, tokens_per_day="1000", money_per_month="2.50").status_code == 302
    quota = Quota.objects.get()
    assert (quota.tokens_per_day, quota.money_per_month, quota.currency) == (1000, Decimal("2.50"), "USD")
    assert "All" in staff.get(reverse("admin:chat_quota_history", args=[quota.pk])).content.decode()


def test_it_counts_at_once_in_this_process(staff, django_capture_on_commit_callbacks):
    assert not KNOWN.any()
    with django_capture_on_commit_callbacks(execute=True):
        add(staff, tokens_per_day="1000")
    assert KNOWN.any()


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "Give at least one figure."),
        ({"money_per_day": "1", "currency": ""}, "Money needs a currency"),
        ({"tokens_per_day": "1", "binds": "user"}, "Choose a person"),
        ({"tokens_per_day": "1", "binds": "members"}, "Choose a group"),
        ({"tokens_per_day": "-1"}, "greater than or equal to 0"),
    ],
)
def test_what_makes_no_sense_is_refused(staff, fields, words):
    assert words in add(staff, **fields).content.decode()
    assert not Quota.objects.exists()


def used(quota, who, tokens):
    starts = begins("tokens_per_day", timezone.now())
    return QuotaUse.objects.create(
        quota=quota, subject=who.pseudonym, kind="tokens_per_day", starts=starts, used=tokens
    )


def test_the_list_shows_how_full_it_is(staff, alice):
    used(Quota.objects.create(name="All", tokens_per_day=1000), alice, 250)
    page = staff.get(LIST).content.decode()
    assert '<progress class="progress" value="25" max="100"' in page
    assert "alice: 250 of 1,000" in page


def test_the_list_asks_as_often_for_many(staff, alice, django_assert_max_num_queries):
    for number in range(20):
        used(Quota.objects.create(name=f"{number}", tokens_per_day=1000), alice, 250)
    with django_assert_max_num_queries(12):
        staff.get(LIST)


def test_a_page_shows_who_is_near_what(staff, alice):
    used(Quota.objects.create(name="All", tokens_per_day=1000), alice, 990)
    page = staff.get(reverse("admin:chat_quotause_changelist")).content.decode()
    assert "alice" in page
    assert 'value="99"' in page


def test_what_was_set_aside_for_a_run_is_shown(staff):
    run = RunFactory.create()
    Reservation.objects.create(run=run.pk, step=1, epoch=1, input_tokens=7, output_tokens=4096)
    page = staff.get(reverse("admin:chat_reservation_changelist"), {"q": str(run.pk)}).content.decode()
    assert str(run.pk) in page
    assert "set aside" in page


def test_a_quota_of_one_api_token_is_made_and_shown_with_its_name(staff, alice):
    token = ApiTokenFactory.create(owner=alice, name="nightly", secret="lct_abcdefgh")
    answer = add(staff, binds="token", token=str(token.pk), tokens_per_day="1000")
    assert answer.status_code == 302
    quota = Quota.objects.get()
    assert quota.token == token
    QuotaUse.objects.create(
        quota=quota,
        subject=token.pk,
        kind="tokens_per_day",
        starts=begins("tokens_per_day", timezone.now()),
        used=10,
    )
    for page in (LIST, reverse("admin:chat_quotause_changelist")):
        assert "nightly (lct_abcdef…)" in staff.get(page).content.decode()
