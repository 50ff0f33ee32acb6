"""What the log says of requests that are refused or break."""

import logging
import logging.config

import pytest
from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.test import Client

from project.logs import redact
from tests.factories import ProviderFactory, UserFactory


def record_of(error: Exception) -> logging.LogRecord:
    made = logging.LogRecord("django.request", logging.WARNING, "", 0, "Refused: %s", ("/x",), None)
    made.exc_info = (type(error), error, None)
    return made


@pytest.fixture
def requests_logged(monkeypatch: pytest.MonkeyPatch) -> list[logging.LogRecord]:
    """Of `django.request`, with the filters that our configuration gives it."""
    logger, seen = logging.getLogger("django.request"), []
    handler = logging.Handler()
    handler.emit = seen.append  # type: ignore[method-assign, assignment]
    monkeypatch.setattr(logger, "handlers", [handler])
    monkeypatch.setattr(logger, "filters", settings.LOGGING["loggers"]["django.request"]["filters"])
    return seen


@pytest.mark.django_db
def test_what_somebody_may_not_do_is_one_line_in_the_log(client: Client, requests_logged):
    staff = UserFactory.create(is_staff=True)
    client.force_login(staff, backend="django.contrib.auth.backends.ModelBackend")
    path = f"/admin/chat/provider/{ProviderFactory.create().pk}/change/"

    assert client.get(path).status_code == 403

    [line] = requests_logged
    assert path in line.getMessage()
    assert line.exc_info is None


@pytest.mark.parametrize(("error", "kept"), [(PermissionDenied(), False), (ValueError(), True)])
def test_only_what_is_an_error_keeps_its_traceback(error: Exception, kept: bool, requests_logged):
    logging.getLogger("django.request").handle(record_of(error))

    assert bool(requests_logged[0].exc_info) is kept


def test_a_link_that_opens_something_is_not_told_whole_whoever_logs_it():
    said = redact("Forbidden (CSRF cookie not set.): /accounts/setup/Zm9vYmFyYmF6cXV4cXV1eA/")
    assert said == "Forbidden (CSRF cookie not set.): /accounts/setup/Zm9v…/"
    assert redact("Not Found: /share/0a1b2c3d4e5f/") == "Not Found: /share/0a1b…/"


@pytest.mark.parametrize(
    "said",
    [
        "Authorization: Bearer {}",
        "authorization=Basic {}",
        "{{'authorization': 'Bearer {}'}}",
        "[(b'authorization', b'Bearer {}')]",
        "Authorization: {}",
        "bearer {} was refused",
        "sessionid={}; csrftoken=x",
        "lct_{}",
        "whsec_{}",
        "the key sk-{}",
    ],
)
def test_a_secret_is_not_told_whatever_stands_before_it_in_a_line(said: str):
    secret = "AIzaSyB3cr3tB3cr3tB3cr3t"
    assert secret not in redact(said.format(secret))
