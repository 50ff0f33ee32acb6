"""No secret of the site or of anybody comes out again: not in pages, REST, downloads of the admin, rows, or logs.

Each is a word of its own that no pattern knows, so that it is found wherever it stands. That one is shown once, when it
is made, is tested with what makes it; what providers say of a key, with the wire log.
"""

import base64
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib import admin
from django.test import Client
from structlog.testing import capture_logs

from chat.actions.webhooks import rotate_secret
from chat.models import ApiToken, Provider, User
from tests.factories import ApiTokenFactory, LanguageModelFactory, ProviderFactory, WebhookToolFactory
from tests.isolation.rows import REST
from tests.isolation.test_routes import ROWS, ask, path_of, session_of, words_of
from tests.isolation.world import World, world_of

pytestmark = [pytest.mark.django_db, pytest.mark.both_columns]

PASTED, IN_ENV, TOOL = "PastedKeyQx7", "EnvKeyQx8", "ToolSecretQx9"
TOKEN = "lct_TokenQx1"


def whsec(word: str) -> str:
    return "whsec_" + base64.b64encode(word.encode()).decode()


@pytest.fixture
def world(alice: User, monkeypatch: pytest.MonkeyPatch) -> World:
    world = world_of(alice)
    pasted = ProviderFactory.create(name="pasted")
    pasted.set_key(PASTED)
    pasted.save()
    monkeypatch.setenv("QX_KEY", IN_ENV)
    LanguageModelFactory.create(provider=pasted)
    LanguageModelFactory.create(provider=ProviderFactory.create(name="from-env", key_env="QX_KEY"))
    WebhookToolFactory.create(secret=whsec(TOOL))
    ApiTokenFactory.create(owner=alice, secret=TOKEN)
    return world


def secrets(world: World, *clients: Client) -> dict[str, str]:
    endpoint: Any = world.rows["endpoint"]
    endpoint.refresh_from_db()
    owner = User.objects.get(pk=world.owner.pk)
    found = {
        "a key that was pasted": PASTED,
        "a key of the environment": IN_ENV,
        "a tool's secret": whsec(TOOL),
        "a token": TOKEN,
        "a token's hash": ApiToken.objects.get(prefix=TOKEN[:10]).token_sha256,
        "a password's hash": owner.password,
    }
    found |= {
        f"secret {n} of an endpoint": one for n, one in enumerate(endpoint.secrets_at(endpoint.created_at))
    }
    found |= {f"session {n}": client.cookies["sessionid"].value for n, client in enumerate(clients)}
    assert all(found.values())
    return found


def told(text: str, found: dict[str, str]) -> list[str]:
    return [what for what, secret in found.items() if secret in text]


def office_pages(world: World) -> Iterator[str]:
    for model in admin.site._registry:
        base = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
        yield base
        for key in model._default_manager.values_list("pk", flat=True)[:5]:
            yield from (f"{base}{key}/{what}/" for what in ("change", "history", "delete"))
    for pattern, row in ROWS.items():
        if not pattern.endswith("logout/") and "setup" not in pattern:
            yield "/" + path_of(world, pattern, row)


def test_no_page_shows_one_not_even_to_who_may_see_everything(world: World, ada: User, office: Any):
    staff = session_of(ada)
    found, shown = secrets(world, staff), 0
    for path in office_pages(world):
        answer = staff.get(path)
        shown += answer.status_code == 200
        assert told(words_of(answer), found) == [], path
    assert shown > 80


def test_rest_shows_none_to_its_owner(world: World, office: Any):
    mine = session_of(world.owner)
    for name, row in REST.items():
        if name.startswith("GET"):
            answer, path = ask(mine, world, name, row)
            assert told(words_of(answer), secrets(world, mine)) == [], path


def test_a_secret_that_was_just_told_is_not_told_by_what_comes_after(world: World):
    secret = rotate_secret(world.owner, world.rows["endpoint"].pk)
    mine = session_of(world.owner)
    assert secret not in words_of(mine.get("/api/v1/webhook-endpoints"))
    assert told(words_of(mine.get("/api/v1/webhook-endpoints")), secrets(world)) == []


def test_rows_do_not_hold_one_in_words(world: World):
    """Whoever reads the database, or a backup of it, has no key in his hands."""
    found = secrets(world)
    for hashed in ("a token's hash", "a password's hash"):
        del found[hashed]
    for model in admin.site._registry:
        for row in model._default_manager.values():
            assert told(str(row), found) == [], model


def test_what_is_refused_or_breaks_is_logged_without_them(
    world: World, office: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    mine = session_of(world.owner)
    found = secrets(world, mine)
    caplog.set_level(logging.DEBUG)
    asked = {
        "authorization": f"Bearer {TOKEN}x",
        "x-api-key": PASTED,
        "cookie": f"sessionid={found['session 0']}",
    }
    program = Client(headers=asked, raise_request_exception=False)

    def breaks(*_: object) -> None:
        raise RuntimeError("it broke")

    with capture_logs() as lines:
        program.get("/api/v1/usage")
        program.get("/admin/chat/run/")
        program.post("/api/v1/webhook-endpoints", "{", content_type="application/json")
        monkeypatch.setattr("chat.pages.views.offered_models", breaks)
        mine.raise_request_exception = False
        assert mine.get("/").status_code == 500
    assert "it broke" in caplog.text
    assert told(caplog.text + json.dumps(lines, default=str), found) == []


def test_a_provider_is_told_of_without_its_key(world: World):
    for provider in Provider.objects.all():
        for text in (str(provider), repr(provider)):
            assert told(text, secrets(world)) == []
