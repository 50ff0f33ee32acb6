"""The other side is the library that the authors of Standard Webhooks publish."""

import time
from datetime import UTC, datetime

import pytest

from chat.exceptions import BadSignature
from chat.webhooks.signing import new_secret, sign, verify

standardwebhooks = pytest.importorskip("standardwebhooks")

BODY = '{"event":"run.finished","name":"Grüße"}'


@pytest.fixture
def secret() -> str:
    return new_secret()


def test_they_take_what_we_sign(secret: str):
    headers = sign([secret], "msg_1", int(time.time()), BODY.encode())

    assert standardwebhooks.Webhook(secret).verify(BODY, headers)["name"] == "Grüße"


def test_they_take_what_we_sign_while_we_rotate(secret: str):
    older = new_secret()
    headers = sign([secret, older], "msg_1", int(time.time()), BODY.encode())

    for known in (secret, older):
        assert standardwebhooks.Webhook(known).verify(BODY, headers)["event"] == "run.finished"


def test_they_refuse_what_somebody_else_signed(secret: str):
    headers = sign([new_secret()], "msg_1", int(time.time()), BODY.encode())

    with pytest.raises(standardwebhooks.WebhookVerificationError):
        standardwebhooks.Webhook(secret).verify(BODY, headers)


def test_we_take_what_they_sign(secret: str):
    moment = datetime.now(UTC)
    headers = {
        "Webhook-Id": "msg_2",
        "Webhook-Timestamp": str(int(moment.timestamp())),
        "Webhook-Signature": standardwebhooks.Webhook(secret).sign("msg_2", moment, BODY),
    }

    assert verify([new_secret(), secret], headers, BODY.encode(), now=time.time()).id == "msg_2"


def test_we_refuse_what_they_signed_with_another_secret(secret: str):
    moment = datetime.now(UTC)
    headers = {
        "webhook-id": "msg_2",
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": standardwebhooks.Webhook(secret).sign("msg_2", moment, BODY),
    }

    with pytest.raises(BadSignature):
        verify([new_secret()], headers, BODY.encode(), now=time.time())
