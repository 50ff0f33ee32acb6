"""What docs/webhooks.md shows is what works."""

import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from django.utils import timezone

from chat.webhooks.backoff import PAUSES
from chat.webhooks.payloads import (
    EVENTS,
    function_call_completed,
    invocation_waiting,
    moment,
    run_finished,
)
from chat.webhooks.signing import new_secret, sign

PAGE = (Path(__file__).parents[2] / "docs" / "webhooks.md").read_text(encoding="utf-8")
BODY = '{"event":"run.finished","name":"Grüße %s"}\n'.encode()


def shown(language: str, having: str) -> str:
    blocks = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    (block,) = (block for block in blocks if having in block)
    return str(block)


def function(name: str) -> Callable[..., bool]:
    room: dict = {}
    exec(shown("python", f"def {name}("), room)  # noqa: S102  (our own page)
    found: Callable[..., bool] = room[name]
    return found


@pytest.fixture
def secret() -> str:
    return new_secret()


def headers(*secrets: str, at: float | None = None, body: bytes = BODY) -> dict[str, str]:
    return sign(secrets, "018f", int(time.time() if at is None else at), body)


class TestPython:
    def test_takes_what_we_sign_while_we_rotate_too(self, secret: str):
        is_genuine = function("is_genuine")

        assert is_genuine(secret, headers(secret), BODY)
        assert is_genuine(secret, headers(new_secret(), secret), BODY)

    def test_refuses_all_else(self, secret: str):
        is_genuine = function("is_genuine")

        assert not is_genuine(secret, headers(new_secret()), BODY)
        assert not is_genuine(secret, headers(secret), BODY + b" ")
        assert not is_genuine(secret, headers(secret, at=time.time() - 600), BODY)

    def test_the_older_form_too(self, secret: str):
        is_genuine = function("is_genuine_body")
        signature = headers(secret)["X-Webhook-Signature"]

        assert is_genuine(secret, signature, BODY)
        assert not is_genuine(secret, signature, BODY + b" ")


class TestShell:
    def said(self, secret: str, given: dict[str, str], body: bytes, folder: Path) -> str:
        file = folder / "body"
        file.write_bytes(body)
        variables = {name.upper().replace("-", "_"): text for name, text in given.items()}
        done = subprocess.run(
            ["sh", "-eu", "-c", shown("sh", "openssl")],
            env={"PATH": "/usr/bin:/bin", "SECRET": secret, "BODY_FILE": str(file), **variables},
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.strip()

    def test_takes_what_we_sign_while_we_rotate_too(self, secret: str, tmp_path: Path):
        assert self.said(secret, headers(secret), BODY, tmp_path) == "genuine"
        assert self.said(secret, headers(new_secret(), secret), BODY, tmp_path) == "genuine"

    def test_refuses_all_else(self, secret: str, tmp_path: Path):
        assert self.said(secret, headers(new_secret()), BODY, tmp_path) == "forged"
        assert self.said(secret, headers(secret), BODY + b" ", tmp_path) == "forged"


def listed(event: str) -> list[str]:
    (row,) = re.findall(rf"\| `{re.escape(event)}` \| (`event`.*) \|", PAGE)
    return re.findall(r"`(\w+)`", re.sub(r"\(.*?\)", "", row))


def test_every_event_is_listed_with_its_fields_in_their_order():
    now = timezone.now()
    made = [
        run_finished(
            run="r", conversation="c", message="m", model="p/m", columns={"status": "failed"}, finished_at=now
        ),
        invocation_waiting(invocation="i", run="r", function="f", arguments={}, waits_for="client", at=now),
        function_call_completed(invocation="i", run="r", function="f", status="failed", result=1, at=now),
    ]

    assert {payload["event"] for payload in made} == EVENTS
    for payload in made:
        assert listed(payload["event"]) == list(payload)
        assert payload["timestamp"] == moment(now)


def test_the_pauses_are_listed():
    seconds = {"s": 1, "min": 60, "h": 3600}
    (text,) = re.findall(r"The pauses are (.*?), each", PAGE)

    assert [int(n) * seconds[unit] for n, unit in re.findall(r"(\d+) (s|min|h)", text)] == list(PAUSES)
