"""The API's description of itself."""

import pytest

from chat.models import WebhookDelivery

pytestmark = pytest.mark.django_db


def test_the_schema_is_served_to_who_is_signed_in(client, alice):
    client.force_login(alice)
    answer = client.get("/api/v1/openapi.json")
    assert answer.status_code == 200
    assert "/api/v1/conversations/{key}" in answer.json()["paths"]


def test_nobody_else_sees_it(client):
    answer = client.get("/api/v1/openapi.json")
    assert answer.status_code == 401
    assert answer.json()["code"] == "signed_out"


def test_there_is_no_page_that_would_need_scripts_from_elsewhere(client, alice):
    client.force_login(alice)
    assert client.get("/api/v1/docs").status_code == 404


def test_it_tells_where_a_secret_is_shown_and_what_a_list_is(client, alice):
    client.force_login(alice)
    schema = client.get("/api/v1/openapi.json").json()
    parts = schema["components"]["schemas"]
    assert [name for name, part in parts.items() if "secret" in part.get("properties", ())] == [
        "NewEndpointOut",
        "SecretOut",
    ]
    asked = {
        one["name"]: one["schema"]
        for one in schema["paths"]["/api/v1/webhook-deliveries"]["get"]["parameters"]
    }
    assert set(asked) == {"endpoint", "status", "cursor", "limit"}
    assert asked["limit"] == {
        "default": 50,
        "maximum": 100,
        "minimum": 1,
        "title": "Limit",
        "type": "integer",
    }
    assert parts["DeliveryOut"]["properties"]["status"]["enum"] == WebhookDelivery.Status.values
    assert set(parts["DeliveriesOut"]["properties"]) == {"items", "next"}
