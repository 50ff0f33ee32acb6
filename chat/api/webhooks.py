"""Outgoing webhooks over REST: where a user wants to be told of events, and what became of each that was told."""

from datetime import datetime
from typing import Annotated, Literal, cast
from uuid import UUID

from django.http import HttpRequest
from ninja import Field, Router, Schema, Status

from chat.actions.webhooks import add_endpoint, redeliver, remove_endpoint, rotate_secret
from chat.api.auth import needs
from chat.api.paging import USUAL, Cursor, Limit, Page, page_of
from chat.exceptions import NotFound
from chat.models import User, WebhookDelivery, WebhookEndpoint
from chat.models.tokens import TokenScope

DeliveryStatus = Literal["pending", "delivered", "dead"]

endpoints = Router(tags=["webhooks"])
deliveries = Router(tags=["webhooks"])


class EndpointOut(Schema):
    """`disabled_because`: `by_staff`, `gone`, `failing` and the like; empty while it is on."""

    id: UUID
    url: str
    description: str
    events: list[str]
    enabled: bool
    disabled_because: str
    disabled_at: datetime | None
    failing_since: datetime | None
    paused_until: datetime | None
    last_attempt_at: datetime | None
    created_at: datetime


class EndpointsOut(Schema):
    items: list[EndpointOut]
    next: UUID | None


class SecretOut(Schema):
    """Shown this once."""

    secret: str


class NewEndpointOut(EndpointOut, SecretOut):
    """With its first secret."""


class EndpointIn(Schema):
    model_config = {"extra": "forbid"}  # noqa: RUF012  (pydantic's way)

    url: str
    events: list[str]
    description: Annotated[str, Field(max_length=200)] = ""


class DeliveryOut(Schema):
    """Neither what was said nor what the receiver answered: the one may be long, the other is not ours to hand on."""

    id: UUID
    endpoint: UUID
    event: str
    status: DeliveryStatus
    attempts: int
    next_attempt_at: datetime | None
    last_attempt_at: datetime | None
    last_status: int | None
    last_error: str
    duration_ms: int | None
    created_at: datetime
    finished_at: datetime | None

    @staticmethod
    def resolve_endpoint(delivery: WebhookDelivery) -> UUID:
        return delivery.endpoint_id

    @staticmethod
    def resolve_next_attempt_at(delivery: WebhookDelivery) -> datetime | None:
        return delivery.next_attempt_at if delivery.finished_at is None else None


class DeliveriesOut(Schema):
    items: list[DeliveryOut]
    next: UUID | None


def _user(request: HttpRequest) -> User:
    return cast(User, request.user)


@endpoints.get("", response=EndpointsOut, auth=needs(TokenScope.WEBHOOKS_READ))
def list_endpoints(
    request: HttpRequest, cursor: Cursor = None, limit: Limit = USUAL
) -> Page[WebhookEndpoint]:
    return page_of(WebhookEndpoint.objects.visible_to(_user(request)), cursor, limit)


@endpoints.post("", response={201: NewEndpointOut}, auth=needs(TokenScope.WEBHOOKS_WRITE))
def add(request: HttpRequest, body: EndpointIn) -> Status[NewEndpointOut]:
    endpoint, secret = add_endpoint(
        _user(request), url=body.url, events=body.events, description=body.description
    )
    endpoint.refresh_from_db()  # the database tells its time
    told = EndpointOut.from_orm(endpoint).model_dump()
    return Status(201, NewEndpointOut(secret=secret, **told))


@endpoints.delete("/{key}", response={204: None}, auth=needs(TokenScope.WEBHOOKS_WRITE))
def remove(request: HttpRequest, key: UUID) -> Status[None]:
    remove_endpoint(_user(request), key)
    return Status(204, None)


@endpoints.post("/{key}/secret", response=SecretOut, auth=needs(TokenScope.WEBHOOKS_WRITE))
def new_secret(request: HttpRequest, key: UUID) -> SecretOut:
    """Signs at once; the one before signs beside it for another day."""
    return SecretOut(secret=rotate_secret(_user(request), key))


@deliveries.get("", response=DeliveriesOut, auth=needs(TokenScope.WEBHOOKS_READ))
def list_deliveries(
    request: HttpRequest,
    endpoint: UUID | None = None,
    status: DeliveryStatus | None = None,
    cursor: Cursor = None,
    limit: Limit = USUAL,
) -> Page[WebhookDelivery]:
    user = _user(request)
    rows = WebhookDelivery.objects.visible_to(user).defer("payload", "last_response")
    if endpoint is not None:
        if not WebhookEndpoint.objects.visible_to(user).filter(pk=endpoint).exists():
            raise NotFound
        rows = rows.filter(endpoint=endpoint)
    if status is not None:
        rows = rows.filter(status=status)
    return page_of(rows, cursor, limit)


@deliveries.post("/{key}/redeliver", response={202: DeliveryOut}, auth=needs(TokenScope.WEBHOOKS_WRITE))
def deliver_again(request: HttpRequest, key: UUID) -> Status[WebhookDelivery]:
    """What still waits is left as it is."""
    redeliver(_user(request), key)
    row = WebhookDelivery.objects.visible_to(_user(request)).defer("payload", "last_response").filter(pk=key)
    if (delivery := row.first()) is None:
        raise NotFound  # its endpoint has been removed in this moment
    return Status(202, delivery)
