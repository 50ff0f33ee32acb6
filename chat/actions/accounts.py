"""Making the first administrator: by the one-time set-up link, or from the environment. And signing up."""

import hashlib
import os
import secrets
from collections.abc import Mapping

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone

from chat.exceptions import InvalidRequest, NotFound
from chat.models import SetupLink, User


def setup_link(base_url: str) -> str | None:
    """A fresh link that makes the first administrator, once; None where there is a user already.

    Only a hash of its token is kept, so each call makes a new link, and the unused ones before it stop working.
    """
    if User.objects.exists():
        return None
    token = secrets.token_urlsafe(24)
    with transaction.atomic():
        SetupLink.objects.filter(used_at=None).delete()
        SetupLink.objects.create(token_sha256=_hash(token))
    return f"{base_url.rstrip('/')}/accounts/setup/{token}/"


def setup_link_works(token: str) -> bool:
    link = SetupLink.objects.filter(token_sha256=_hash(token), used_at=None)
    return link.exists() and not User.objects.exists()


@transaction.atomic
def make_first_administrator(token: str, *, username: str, password: str) -> User:
    """Uses the link up. Of any number of callers at once, one succeeds.

    Raises:
        NotFound: the link is unknown, used or replaced, or there is a user already.
    """
    if not setup_link_works(token):
        raise NotFound("This link does not work any more.")
    now = timezone.now()
    # All open links at once: the second of two callers waits here for the first one's rows, whichever
    # links they hold, and finds them used.
    SetupLink.objects.filter(used_at=None).update(used_at=now)
    ours = SetupLink.objects.filter(token_sha256=_hash(token), used_at=now)
    if not ours.exists() or User.objects.exists():
        raise NotFound("This link does not work any more.")
    return User.objects.create_superuser(username=username, password=password)


def create_superuser_from_environment(environ: Mapping[str, str] = os.environ) -> User | None:
    """The administrator whom `DJANGO_SUPERUSER_USERNAME`, `_PASSWORD` and `_EMAIL` describe.

    None where name or password is unset, or where that user exists: a later change of the variables changes nobody.

    Raises:
        InvalidRequest: the values make no user; says which and why.
    """
    username = environ.get("DJANGO_SUPERUSER_USERNAME", "")
    password = environ.get("DJANGO_SUPERUSER_PASSWORD", "")
    if not username or not password or User.objects.filter(username=username).exists():
        return None
    email = environ.get("DJANGO_SUPERUSER_EMAIL", "")
    user = User(
        username=username, email=User.objects.normalize_email(email), is_staff=True, is_superuser=True
    )
    user.set_password(password)
    try:
        user.clean_fields()
    except ValidationError as error:
        field, messages = next(iter(error.message_dict.items()))
        raise InvalidRequest(f"DJANGO_SUPERUSER_{field.upper()}: {messages[0]}", field=field) from None
    try:
        with transaction.atomic():
            user.save(force_insert=True)
    except IntegrityError:
        return None  # another process, started at the same time, was quicker
    return user


def sign_up(*, username: str, password: str, email: str = "") -> User:
    """A new account without any rights beyond chatting. The form has looked at the password.

    Raises:
        NotFound: this installation does not let people sign up.
    """
    if not settings.SIGN_UP:
        raise NotFound
    return User.objects.create_user(username=username, password=password, email=email)


def username_of(typed: str) -> str:
    """The user name meant by what was typed at sign-in: a user name, or an e-mail address that one user has."""
    if "@" not in typed or User.objects.filter(username=typed).exists():
        return typed
    names = list(User.objects.filter(email__iexact=typed).values_list("username", flat=True)[:2])
    return names[0] if len(names) == 1 else typed


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
