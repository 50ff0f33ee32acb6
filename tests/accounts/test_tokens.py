"""Making API tokens."""

import hashlib
from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from chat.actions.tokens import create_token, token_of
from chat.exceptions import InvalidRequest
from chat.models import ApiToken, Run
from chat.models.tokens import TokenScope
from project.logs import redact
from tests.factories import ApiTokenFactory, RunFactory

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)


def made(capsys, *words):
    call_command("create_token", *words)
    return capsys.readouterr().out


def test_the_command_prints_the_token_alone_on_its_line(capsys, alice):
    printed = made(capsys, "alice")
    assert printed.count("\n") == 1
    token = token_of(printed.strip(), now=timezone.now())
    assert token is not None
    assert (token.owner, token.expires_at) == (alice, None)
    assert token.scopes == list(TokenScope.values)


def test_scopes_days_and_a_name_are_chosen(capsys, alice):
    made(capsys, "alice", "--scopes", "runs:write", "runs:read", "--days", "30", "--name", "nightly")
    token = ApiToken.objects.get()
    assert (token.scopes, token.name) == (["runs:read", "runs:write"], "nightly")
    assert token.expires_at is not None
    assert abs(token.expires_at - timezone.now() - timedelta(days=30)) < timedelta(minutes=5)


def test_scopes_may_be_written_with_commas(capsys, alice):
    made(capsys, "alice", "--scopes", "runs:write,usage:read")
    assert ApiToken.objects.get().scopes == ["runs:write", "usage:read"]


@pytest.mark.parametrize(
    "words",
    [("nobody",), ("alice", "--scopes", "all"), ("alice", "--scopes", ","), ("alice", "--days", "0")],
)
def test_what_makes_no_sense_makes_no_token(alice, words):
    with pytest.raises(CommandError):
        call_command("create_token", *words)
    assert not ApiToken.objects.exists()


def test_only_its_hash_and_its_beginning_are_kept(alice):
    token, secret = create_token(alice, now=NOW)
    assert len(secret) == 4 + 43  # 256 bits in base64
    row = ApiToken.objects.filter(pk=token.pk).values().get()
    assert row["token_sha256"] == hashlib.sha256(secret.encode()).hexdigest()
    assert secret.startswith(row["prefix"])
    assert secret not in str(row)
    assert secret not in redact(f"found {secret} here")


def test_it_holds_until_it_expires(alice):
    _, secret = create_token(alice, days=1, now=NOW)
    assert token_of(secret, now=NOW + timedelta(hours=23)) is not None
    assert token_of(secret, now=NOW + timedelta(hours=24)) is None


def test_when_it_was_revoked_stays(alice):
    create_token(alice, now=NOW)
    assert ApiToken.objects.revoke(NOW) == 1
    assert ApiToken.objects.revoke(NOW + timedelta(days=1)) == 0
    assert ApiToken.objects.get().revoked_at == NOW


def test_no_scope_is_refused(alice):
    with pytest.raises(InvalidRequest):
        create_token(alice, scopes=[], now=NOW)


def test_it_goes_with_its_owner(alice):
    ApiTokenFactory.create(owner=alice)
    alice.delete()
    assert not ApiToken.objects.exists()


def test_a_run_outlives_the_token_that_started_it(alice):
    run = RunFactory.create(conversation__owner=alice, token=ApiTokenFactory.create(owner=alice))
    ApiToken.objects.all().delete()
    assert Run.objects.get(pk=run.pk).token_id is None
