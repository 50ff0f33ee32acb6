"""Who may send what: each row to one sender, each endpoint to so many, and nobody writes behind the end of a lease."""

from datetime import timedelta

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext

from chat.models import WebhookDelivery, WebhookEndpoint
from chat.webhooks.claims import ClaimRules, Verdict, claim_next, settle_dead, settle_delivered, settle_later
from chat.webhooks.courier import Courier
from tests.factories import WebhookDeliveryFactory
from tests.fakes.receiver import Receiver
from tests.webhooks.carrying import at_once, let_time_pass
from tests.webhooks.conftest import RULES

pytestmark = pytest.mark.django_db(transaction=True)


class TestClaims:
    def test_one_gets_it(self, delivery: WebhookDelivery):
        assert claim_next(RULES) == delivery
        assert claim_next(RULES) is None

    def test_many_who_reach_for_it_at_once_get_each_once(self, endpoint: WebhookEndpoint):
        WebhookDeliveryFactory.create_batch(12, endpoint=endpoint)
        got = at_once(6, lambda: [claim_next(ClaimRules(lease_seconds=60, at_once=100)) for _ in range(3)])

        keys = [row.pk for row in got if row is not None]
        assert len(keys) == len(set(keys)) == 12

    def test_no_more_at_once_than_may_be_however_many_reach_for_it(self, endpoint: WebhookEndpoint):
        WebhookDeliveryFactory.create_batch(12, endpoint=endpoint)
        got = at_once(6, lambda: [claim_next(RULES) for _ in range(3)])

        assert len([row for row in got if row is not None]) == RULES.at_once

    def test_one_at_once_where_it_fails(self, endpoint: WebhookEndpoint):
        WebhookDeliveryFactory.create_batch(3, endpoint=endpoint)
        WebhookEndpoint.objects.update(failing_since=Now())

        assert claim_next(RULES) is not None
        assert claim_next(RULES) is None

    def test_endpoints_take_turns(self, endpoint: WebhookEndpoint):
        WebhookDeliveryFactory.create_batch(5, endpoint=endpoint)
        other = WebhookDeliveryFactory.create()

        assert other in [claim_next(RULES), claim_next(RULES)]

    def test_one_that_is_full_holds_nobody_up(self, endpoint: WebhookEndpoint):
        WebhookDeliveryFactory.create_batch(100, endpoint=endpoint)
        for _ in range(RULES.at_once):
            assert claim_next(RULES) is not None
        other = WebhookDeliveryFactory.create()

        assert claim_next(RULES) == other

    def test_after_its_lease_it_is_somebody_elses_and_the_first_writes_nothing(
        self, delivery: WebhookDelivery
    ):
        first = claim_next(RULES)
        let_time_pass()
        second = claim_next(RULES)

        assert first is not None
        assert second is not None
        assert (first.pk, first.epoch, second.epoch) == (second.pk, 1, 2)
        for settle in (settle_delivered, settle_dead):
            assert not settle(first, Verdict(delivered=True))
        assert not settle_later(first, Verdict(delivered=False), 1)
        assert settle_delivered(second, Verdict(delivered=True))

    def test_what_ends_its_senders_each_time_is_given_up(self, courier: Courier, rude: Receiver, delivery):
        for _ in range(10):
            assert claim_next(RULES) is not None
            let_time_pass()

        assert courier.deliver_due() == 0
        delivery.refresh_from_db()
        assert (delivery.status, rude.connections) == ("dead", 0)

    def test_looking_writes_nothing_where_nothing_is_due(self, delivery: WebhookDelivery):
        WebhookDelivery.objects.update(next_attempt_at=Now() + timedelta(hours=1))
        with CaptureQueriesContext(connection) as captured:
            assert claim_next(RULES) is None

        assert [query["sql"].split()[0] for query in captured] == ["SELECT"]

    def test_nothing_goes_to_whom_is_deactivated(self, delivery: WebhookDelivery):
        owner = delivery.endpoint.owner
        owner.is_active = False
        owner.save()

        assert claim_next(RULES) is None
