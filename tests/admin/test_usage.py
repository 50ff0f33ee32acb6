"""The page that shows what was used, and its download."""

import csv
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from chat.models import ModelCall, UsageDay, User
from chat.usage.ledger import write_calls
from tests.factories import RunFactory, UserFactory
from tests.usage.test_ledger import row

pytestmark = pytest.mark.django_db

PAGE = "/admin/chat/usageday/"
NOW = datetime.now(UTC)


@pytest.fixture
def admin(client: Client, ada: User) -> Client:
    client.force_login(ada, backend="django.contrib.auth.backends.ModelBackend")
    return client


@pytest.fixture(autouse=True)
def used(db: None) -> ModelCall:
    run = RunFactory.create(conversation__owner=UserFactory.create(username="=carol"))
    write_calls(
        [
            row(run, started_at=NOW),
            row(run, attempt=2, started_at=NOW, usage_source="estimated", currency="EUR"),
        ]
    )
    return ModelCall.objects.get(attempt=1)


@pytest.mark.parametrize(
    ("group_by", "word"),
    [("day", f"{NOW:%Y-%m-%d}"), ("model", "lab/one"), ("provider", "lab"), ("user", "=carol")],
)
def test_it_is_shown_by_any_of_four(admin: Client, group_by: str, word: str):
    body = admin.get(PAGE, {"group_by": group_by}).content.decode()

    assert f">{word}</td>" in body
    assert "$0.00036" in body


def test_costs_are_one_a_currency_and_estimated_ones_are_marked(admin: Client):
    body = admin.get(PAGE).content.decode()

    assert '<td class="num">~0.00036 EUR<br>$0.00036</td>' in body
    assert '<td class="num">~200</td>' in body
    assert "<td>1 estimated </td>" in body


def test_a_period_without_usage_says_so(admin: Client):
    body = admin.get(PAGE, {"since": "2020-01-01", "until": "2020-01-31"}).content.decode()

    assert "Nothing was used in this period." in body


def test_a_period_that_ends_before_it_begins_is_told(admin: Client):
    body = admin.get(PAGE, {"since": "2020-02-01", "until": "2020-01-01"}).content.decode()

    assert "The period ends before it begins." in body


@pytest.mark.parametrize("group_by", ["day", "model", "user", "provider", "day,user,model"])
def test_each_line_leads_to_the_rows_that_it_sums_up(admin: Client, used: ModelCall, group_by: str):
    body = admin.get(PAGE, {"group_by": group_by}).content.decode()
    url = body.split('<td><a href="/admin/chat/modelcall/?')[1].split('"')[0].replace("&amp;", "&")

    listed = admin.get(f"/admin/chat/modelcall/?{url}")

    assert listed.status_code == 200, listed.headers
    assert listed.context["cl"].result_count == 2
    elsewhere = {name: values[0] for name, values in parse_qs(urlsplit(f"?{url}").query).items()}
    elsewhere["started_at__gte"] = f"{NOW + timedelta(days=2):%Y-%m-%d} 00:00:00+00:00"
    assert admin.get("/admin/chat/modelcall/", elsewhere).context["cl"].result_count == 0


def test_the_download_has_a_line_a_group_and_currency(admin: Client):
    response: Any = admin.get(PAGE, {"group_by": "user", "format": "csv"})
    lines = list(csv.DictReader(StringIO(b"".join(response.streaming_content).decode())))

    assert response["Content-Type"].startswith("text/csv")
    assert "attachment" in response["Content-Disposition"]
    assert [(one["currency"], one["cost"], one["estimated_cost"], one["calls"]) for one in lines] == [
        ("EUR", "0.000360001", "0.000360001", "2"),
        ("USD", "0.000360001", "0.000000000", "0"),
    ]


def test_a_name_is_no_formula_in_a_spreadsheet(admin: Client):
    response: Any = admin.get(PAGE, {"group_by": "user", "format": "csv"})

    assert b",'=carol," in b"".join(response.streaming_content)


def test_people_without_an_account_are_shown_as_such(admin: Client):
    User.objects.get(username="=carol").delete()

    assert "an account that is gone" in admin.get(PAGE, {"group_by": "user"}).content.decode()


def test_nothing_on_it_breaks_the_content_security_policy(admin: Client):
    body = admin.get(PAGE, {"group_by": "day,user,model"}).content.decode()

    assert " style=" not in body
    assert "<script>" not in body


def test_it_takes_as_many_queries_for_many_people_as_for_one(
    admin: Client, django_assert_num_queries: Any, django_assert_max_num_queries: Any
):
    with django_assert_max_num_queries(20) as asked:
        admin.get(PAGE, {"group_by": "user"})
    count = len(asked.captured_queries)
    for user in UserFactory.create_batch(5):
        run = RunFactory.create(conversation__owner=user)
        write_calls([row(run, started_at=NOW)])

    with django_assert_num_queries(count):
        admin.get(PAGE, {"group_by": "user"})


def test_it_is_for_who_may_see_the_sums(client: Client, alice: User):
    alice.is_staff = True
    alice.save()
    client.force_login(alice, backend="django.contrib.auth.backends.ModelBackend")
    assert client.get(PAGE).status_code == 403

    alice.user_permissions.add(Permission.objects.get(codename="view_usageday"))

    body = client.get(PAGE).content.decode()
    assert "$0.00036" in body
    assert "/admin/chat/modelcall/" not in body


def test_single_sums_have_no_page(admin: Client):
    assert admin.get(f"{PAGE}{UsageDay.objects.earliest('id').pk}/change/").status_code == 403
