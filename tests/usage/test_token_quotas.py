"""Quotas of one API token: what else its owner does is not in them, and what it does is in the owner's."""

import uuid
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError

from chat.exceptions import BudgetExceeded, QuotaExceeded
from chat.models import Quota, QuotaUse
from chat.usage.known_quotas import KNOWN
from chat.usage.ledger import write_calls
from chat.usage.quota_rebuild import rebuild
from chat.usage.quotas import near_the_end
from chat.usage.reservations import Want, check_held, reserve, settle
from tests.factories import ApiTokenFactory, RunFactory

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)


@pytest.fixture
def token(alice):
    return ApiTokenFactory.create(owner=alice, name="nightly", secret="lct_abcdefgh")


@pytest.fixture
def other(alice):
    return ApiTokenFactory.create(owner=alice)


def quota(token, **columns):
    KNOWN.forget()
    named = {"name": uuid.uuid4().hex, "binds": "token", "token": token, "currency": "USD"}
    return Quota.objects.create(**named | columns)


def want(user, token=None, run=None):
    return Want(
        run=run.pk if run else uuid.uuid4(),
        step=1,
        epoch=1,
        user=user.pk,
        pseudonym=user.pseudonym,
        token=token and token.pk,
        input_tokens=100,
        output_tokens=400,
        costs={"USD": Decimal("0.5")},
    )


def running(user, token=None):
    return RunFactory.create(conversation__owner=user, status="running", epoch=1, token=token)


def billed(run, tokens=50):
    row = {
        "id": uuid.uuid4(),
        "user_id": run.user_id,
        "pseudonym": run.user.pseudonym,
        "token": run.token_id,
        "run_id": run.pk,
        "outcome": "completed",
        "started_at": NOW,
        "input_tokens": tokens,
        "output_tokens": 0,
        "usage_source": "reported",
        "cost": Decimal("0.01"),
        "currency": "USD",
        "provider": "demo",
        "model": "demo",
        "http_status": 200,
    }
    write_calls([row])


def test_a_refusal_names_the_token(alice, token):
    quota(token, tokens_per_day=500)
    reserve([want(alice, token)], now=NOW)
    with pytest.raises(QuotaExceeded) as refused:
        reserve([want(alice, token)], now=NOW)
    assert str(refused.value) == (
        "This API token's limit of 500 tokens a day is used up. It begins anew on 2 December at 00:00 UTC."
    )
    assert refused.value.resets_at == datetime(2026, 12, 2, tzinfo=UTC)


def test_another_token_and_its_owner_in_person_go_on(alice, token, other):
    quota(token, tokens_per_day=500, messages_per_minute=1, runs_at_once=0)
    reserve([want(alice, other)], now=NOW, starts=True)
    reserve([want(alice)], now=NOW, starts=True)
    assert not QuotaUse.objects.exists()


def test_money_has_its_budget(alice, token):
    quota(token, money_per_month=Decimal("0.6"))
    reserve([want(alice, token)], now=NOW)
    with pytest.raises(
        BudgetExceeded, match=r"This API token's limit is 0.60 USD a month: 0.10 USD are left"
    ):
        reserve([want(alice, token)], now=NOW)


def test_messages_a_minute_are_the_tokens_own(alice, token):
    quota(token, messages_per_minute=1)
    reserve([want(alice, token)], now=NOW, starts=True)
    with pytest.raises(QuotaExceeded, match="This API token's limit is 1 message a minute"):
        reserve([want(alice, token)], now=NOW, starts=True)
    reserve([want(alice, token)], now=NOW + timedelta(seconds=61), starts=True)


def test_answers_at_once_are_those_that_it_began(alice, token, other):
    quota(token, runs_at_once=1)
    for who in (token, other, None):
        running(alice, who)
    reserve([want(alice, token)], now=NOW, starts=True)
    running(alice, token)
    with pytest.raises(QuotaExceeded, match="This API token's limit is 1 answer at once"):
        reserve([want(alice, token)], now=NOW, starts=True)


def test_what_its_calls_have_used_is_counted_once_for_it_and_once_for_its_owner(alice, token):
    own = quota(token, tokens_per_day=1000)
    everybody = Quota.objects.create(name="All", tokens_per_day=1000)
    KNOWN.forget()
    run = running(alice, token)
    reserve([want(alice, token, run)], now=NOW)
    billed(run)
    settle(run.pk, epoch=1, now=NOW)
    billed(running(alice))
    used = {(use.quota_id, use.subject): (use.used, use.reserved) for use in QuotaUse.objects.order_by("pk")}
    assert used == {(own.pk, token.pk): (50, 0), (everybody.pk, alice.pseudonym): (100, 0)}


def test_a_quota_that_is_made_later_knows_what_the_token_has_used(alice, token):
    for who in (token, None):
        billed(running(alice, who), tokens=600)
    quota(token, tokens_per_day=1000)
    with pytest.raises(QuotaExceeded, match="400 tokens are left"):
        reserve([want(alice, token)], now=NOW)


def test_a_rebuild_counts_it_also_where_its_conversations_are_gone(alice, token):
    quota(token, tokens_per_day=1000)
    run = running(alice, token)
    billed(run)
    billed(running(alice))
    run.conversation.delete()
    QuotaUse.objects.update(used=7)
    assert rebuild(now=NOW) == (1, 1)
    assert QuotaUse.objects.get().used == 50


def test_after_a_failed_attempt_the_next_one_is_refused(alice, token):
    quota(token, tokens_per_day=520)
    run = running(alice, token)
    reserve([want(alice, token, run)], now=NOW)
    whose = {"user": alice.pk, "pseudonym": alice.pseudonym, "token": token.pk}
    check_held(run.pk, epoch=1, now=NOW, **whose)
    billed(run)
    with pytest.raises(QuotaExceeded, match="This API token's"):
        check_held(run.pk, epoch=1, now=NOW, **whose)


def test_its_name_stands_where_quotas_near_their_end_are_shown(alice, token):
    quota(token, tokens_per_day=500)
    reserve([want(alice, token)], now=NOW)
    (near,) = near_the_end(0.9, now=NOW)
    assert near.who == "nightly (lct_abcdef…)"


def test_a_token_is_named_where_it_binds_one_and_only_there(token):
    figures = {"name": "x", "tokens_per_day": 1}
    Quota(binds="token", token=token, **figures).full_clean()
    for wrong in ({"binds": "token"}, {"binds": "everybody", "token": token}):
        with pytest.raises(ValidationError, match="API token"):
            Quota(**figures, **wrong).full_clean()


def test_it_goes_with_its_token(alice, token):
    quota(token, tokens_per_day=500)
    reserve([want(alice, token)], now=NOW)
    token.delete()
    assert not Quota.objects.exists()
    assert not QuotaUse.objects.exists()
