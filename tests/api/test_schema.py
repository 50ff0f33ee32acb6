"""The API's description of itself."""

import pytest

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
