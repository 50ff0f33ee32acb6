"""Bodies that are larger than they may be."""

import json

import pytest

from chat.exceptions import TooLarge
from tests.factories import ConversationFactory

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("kind", ["application/json", "application/x-www-form-urlencoded"])
@pytest.mark.parametrize("method", ["patch", "post"])
def test_a_body_beyond_the_limit_is_refused_as_the_errors_have_it(signed_in, alice, settings, kind, method):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    path = f"conversations/{ConversationFactory.create(owner=alice).pk}"
    if method == "post":
        path = "webhook-endpoints"
    body = json.dumps({"title": "x" * 2000})
    answer = getattr(signed_in, method)(f"/api/v1/{path}", body, content_type=kind)
    assert answer.status_code == TooLarge.http_status
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["code"] == "too_large"
