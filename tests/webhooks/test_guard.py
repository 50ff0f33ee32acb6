"""Nothing inside of our own network is connected to by a webhook, wherever its URL or its receiver sends us.

The addresses are the table of the guard itself.
"""

from collections.abc import Sequence
from contextlib import suppress

import pytest

from chat.models import WebhookDelivery
from chat.webhooks.courier import Courier
from chat.webhooks.delivery import Answer, NotDelivered, Post
from tests.factories import WebhookDeliveryFactory
from tests.fakes.receiver import Receiver, answer, receiver
from tests.tools.net.connects import watched_connects
from tests.tools.net.servers import OUTSIDE
from tests.tools.net.test_guard import INSIDE, OUTSIDE_ONLY, spelled, system_hosts
from tests.webhooks.conftest import to_loopback
from tools.net.policy import Policy


async def post(url: str, policy: Policy, resolve=system_hosts) -> Answer:
    return await Post(policy, resolve=resolve, seconds=5)(url, {"webhook-id": "1"}, b"{}")


def test_the_table_is_as_long_as_was_promised():
    assert len(set(INSIDE)) >= 40


@pytest.mark.parametrize("url", INSIDE)
async def test_an_address_inside_is_not_posted_to(rude: Receiver, url: str):
    with watched_connects() as connects, pytest.raises(NotDelivered):
        await post(spelled(url, rude.port), Policy())

    assert (connects, rude.connections) == ([], 0)


@pytest.mark.parametrize("url", INSIDE)
async def test_nor_when_a_receiver_redirects_there(rude: Receiver, url: str):
    with receiver(host=OUTSIDE) as outside, watched_connects() as connects:
        outside.then(answer(307, Location=spelled(url, rude.port).encode("utf-8").decode("latin-1")))
        # Some of them are no header, and so no answer either.
        with suppress(NotDelivered):
            assert (await post(outside.url, OUTSIDE_ONLY)).status == 307

    assert {address[0] for address in connects} == {OUTSIDE}
    assert rude.connections == 0


async def test_a_name_that_leads_inside_is_refused(rude: Receiver):
    with watched_connects() as connects, pytest.raises(NotDelivered):
        await post(f"http://looks-public.example:{rude.port}/", Policy(), resolve=to_loopback)

    assert (connects, rude.connections) == ([], 0)


async def test_a_name_that_changes_its_mind_between_look_up_and_connect_leads_nowhere_else():
    answers = iter([[OUTSIDE], ["127.0.0.1"]])

    async def rebinding(_host: str, _port: int) -> Sequence[str]:
        return next(answers)

    with receiver(host=OUTSIDE) as outside, watched_connects() as connects:
        url = f"http://rebind.example:{outside.port}/"
        assert (await post(url, OUTSIDE_ONLY, resolve=rebinding)).succeeded
        with pytest.raises(NotDelivered):
            await post(url, OUTSIDE_ONLY, resolve=rebinding)

    assert [address[0] for address in connects] == [OUTSIDE]


@pytest.mark.django_db(transaction=True)
def test_a_refused_address_is_a_failure_that_the_owner_reads(courier: Courier):
    """The name may lead elsewhere tomorrow, so it is tried again like others."""
    row = WebhookDeliveryFactory.create(endpoint__url="http://169.254.169.254/latest/meta-data/")
    with watched_connects() as connects:
        courier.deliver_due()

    row.refresh_from_db()
    assert (row.status, row.attempts) == (WebhookDelivery.Status.PENDING, 1)
    assert "not on the public internet" in row.last_error
    assert "169.254.169.254" not in {address[0] for address in connects if isinstance(address, tuple)}
