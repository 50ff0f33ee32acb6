"""What a person does with outgoing webhooks: endpoints, their secrets, delivering again."""

from collections.abc import Collection
from datetime import timedelta
from typing import Final
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from chat.exceptions import InvalidRequest, NotFound
from chat.models import User, WebhookDelivery, WebhookEndpoint
from chat.webhooks.payloads import EVENTS
from chat.webhooks.signing import new_secret
from chat.wiring.webhooks import hint
from tools.conf import outbound_policy
from tools.net.errors import AddressRefused
from tools.net.policy import Policy
from tools.net.urls import read_url

URL_CHARACTERS: Final = 2000
BOTH_SIGN: Final = timedelta(days=1)
"""So long the secret before signs as well."""


def add_endpoint(
    user: User, *, url: str, events: Collection[str], description: str = ""
) -> tuple[WebhookEndpoint, str]:
    """The endpoint, and its secret, which is shown this once.

    Raises:
        InvalidRequest: a URL that will never be posted to, an unknown event, none, or one endpoint too many.
    """
    check_url(url, outbound_policy())
    if not events or not EVENTS.issuperset(events):
        raise InvalidRequest(f"Choose some of {', '.join(sorted(EVENTS))}.", field="events")
    description = " ".join(description.replace("\0", "").split())[:200]
    endpoint = WebhookEndpoint(owner=user, url=url, events=sorted(set(events)), description=description)
    endpoint.set_secret(secret := new_secret())
    with transaction.atomic():
        User.objects.select_for_update(no_key=True).get(pk=user.pk)  # so that two at once count each other
        if WebhookEndpoint.objects.visible_to(user).count() >= settings.WEBHOOK_ENDPOINTS:
            raise InvalidRequest(f"You have {settings.WEBHOOK_ENDPOINTS} endpoints, which is the most.")
        endpoint.save()
    return endpoint, secret


def check_url(url: str, policy: Policy) -> None:
    """What can be told of it without looking it up; each delivery looks it up and checks the addresses.

    Raises:
        InvalidRequest: it can never be posted to, or what is posted there could be read on the way.
    """
    if len(url) > URL_CHARACTERS:
        raise InvalidRequest("The URL is too long.", field="url")
    try:
        place = read_url(url)
    except AddressRefused as error:
        raise InvalidRequest(str(error), field="url") from None
    named = policy.names(place.host, place.port)
    if place.literal is not None and not named and not policy.covers(place.literal):
        raise InvalidRequest("That address is not on the public internet.", field="url")
    inside = named or (place.literal is not None and Policy().covers(place.literal) is False)
    if place.scheme != "https" and not inside:
        raise InvalidRequest("The URL has to begin with https://.", field="url")


def rotate_secret(user: User, key: UUID) -> str:
    """A new secret, shown this once. For a day both sign.

    Raises:
        NotFound: absent or not this user's.
    """
    with transaction.atomic():
        endpoint = (
            WebhookEndpoint.objects.visible_to(user).select_for_update(no_key=True).filter(pk=key).first()
        )
        if endpoint is None:
            raise NotFound
        endpoint.rotate(secret := new_secret(), now=timezone.now(), keep=BOTH_SIGN)
        endpoint.save(update_fields=["secrets_encrypted"])
    return secret


def remove_endpoint(user: User, key: UUID) -> None:
    """With all that waits for it, and the record of what was delivered.

    Raises:
        NotFound: absent or not this user's.
    """
    _, removed = WebhookEndpoint.objects.visible_to(user).filter(pk=key).delete()
    if not removed:
        raise NotFound


def redeliver(user: User, key: UUID) -> None:
    """Begins anew, under the same id. What still waits is left as it is.

    Raises:
        NotFound: absent or not this user's.
        InvalidRequest: the endpoint is switched off.
    """
    row = WebhookDelivery.objects.visible_to(user).select_related("endpoint").filter(pk=key).first()
    if row is None:
        raise NotFound
    if not row.endpoint.enabled:
        raise InvalidRequest("The endpoint is switched off.")
    deliver_again([key])


def deliver_again(keys: Collection[UUID]) -> int:
    """Whoever's they are; how many had ended, and have an endpoint that is on."""
    count = WebhookDelivery.objects.filter(pk__in=keys).deliver_again()
    if count:
        transaction.on_commit(hint, robust=True)
    return count
