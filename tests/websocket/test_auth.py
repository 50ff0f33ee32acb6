"""Who a handshake belongs to, and whether its page is ours."""

import pytest
from channels.testing import WebsocketCommunicator
from django.test import Client

from chat.websocket.auth import allowed, ours, session_key, user_of_session
from chat.websocket.routing import websocket_application
from tests.factories import PASSWORD


@pytest.fixture
def signed_in(alice) -> Client:
    client = Client()
    client.force_login(alice)
    return client


def key_of(client: Client) -> str:
    return client.cookies["sessionid"].value


def scope(cookie: bytes | None):
    return {"headers": [(b"host", b"x")] + ([(b"cookie", cookie)] if cookie is not None else [])}


@pytest.mark.django_db
def test_a_session_is_its_users(signed_in, alice):
    assert user_of_session(key_of(signed_in)) == alice


@pytest.mark.django_db
@pytest.mark.parametrize("key", ["", "nonsense", "x" * 500])
def test_no_session_is_nobodys(key):
    assert user_of_session(key) is None


@pytest.mark.django_db
def test_a_session_nobody_signed_in_with_is_nobodys():
    client = Client()
    session = client.session
    session["colour"] = "red"
    session.save()
    assert user_of_session(session.session_key or "") is None


@pytest.mark.django_db
def test_signing_out_ends_it(signed_in):
    key = key_of(signed_in)
    signed_in.logout()
    assert user_of_session(key) is None


@pytest.mark.django_db
def test_a_changed_password_ends_it(signed_in, alice):
    alice.set_password(PASSWORD + "!")
    alice.save()
    assert user_of_session(key_of(signed_in)) is None


@pytest.mark.django_db
def test_a_deactivated_user_is_nobody(signed_in, alice):
    alice.is_active = False
    alice.save()
    assert user_of_session(key_of(signed_in)) is None


def test_the_key_is_read_from_the_cookies():
    assert session_key(scope(b"csrftoken=abc; sessionid=k3y; other=1")) == "k3y"


@pytest.mark.parametrize("cookie", [None, b"", b"sessionid", b"\xff\xfe=;;=", b"other=1"])
def test_broken_or_missing_cookies_are_no_key(cookie):
    assert session_key(scope(cookie)) == ""


@pytest.mark.parametrize(
    ("origin", "host", "secure", "fine"),
    [
        ("http://chat.example", "chat.example", False, True),
        ("http://chat.example:80", "chat.example", False, True),
        ("http://CHAT.example", "chat.example", False, True),
        ("https://chat.example", "chat.example", True, True),
        ("http://127.0.0.1:8000", "127.0.0.1:8000", False, True),
        ("http://[::1]:8000", "[::1]:8000", False, True),
        ("https://chat.example", "chat.example", False, False),
        ("http://chat.example", "chat.example", True, False),
        ("http://chat.example:8000", "chat.example", False, False),
        ("http://evil.example", "chat.example", False, False),
        ("http://chat.example.evil.example", "chat.example", False, False),
        ("null", "chat.example", False, False),
        ("", "chat.example", False, False),
        ("http://", "", False, False),
        ("http://chat.example:port", "chat.example", False, False),
        ("http://evil.example@chat.example", "chat.example", False, False),
        ("http://evil.example@chat.example", "evil.example@chat.example", False, False),
        ("http://:@chat.example", "chat.example", False, False),
        ("http://chat.example/", "chat.example", False, False),
        ("http://chat.example/path", "chat.example", False, False),
        ("http://chat.example?query", "chat.example", False, False),
        ("http://chat.example#part", "chat.example", False, False),
        ("http://chat.example\t", "chat.example", False, False),
        ("//chat.example", "chat.example", False, False),
        ("http://[::1", "[::1", False, False),
    ],
)
def test_an_origin_is_ours_only_with_scheme_host_and_port(origin, host, secure, fine):
    assert allowed(origin, host=host, secure=secure) is fine


def test_a_trusted_origin_is_allowed(settings):
    settings.CSRF_TRUSTED_ORIGINS = ["https://front.example"]
    assert allowed("https://front.example", host="back.example", secure=True)


@pytest.mark.parametrize(
    ("host", "fine"),
    [
        ("chat.example", True),
        ("CHAT.example:8000", True),
        ("chat.example.", True),
        ("sub.wide.example", True),
        ("evil.example", False),
        ("chat.example.evil.example", False),
        ("user@chat.example", False),
        ("chat.example/path", False),
        ("chat.example,evil.example", False),
        ("", False),
    ],
)
def test_a_host_is_ours_where_django_would_answer_it(settings, host, fine):
    settings.ALLOWED_HOSTS = ["chat.example", ".wide.example"]
    assert ours(host) is fine


@pytest.mark.parametrize(("debug", "fine"), [(True, True), (False, False)])
def test_without_a_list_this_machine_is_ours_while_debugging(settings, debug, fine):
    settings.ALLOWED_HOSTS, settings.DEBUG = [], debug
    assert ours("localhost:8000") is fine
    assert not ours("evil.example")


async def answer_to(path: str, host: str, origin: str) -> dict[str, object]:
    """What the application says to the handshake."""
    asked = WebsocketCommunicator(
        websocket_application, path, headers=[(b"host", host.encode()), (b"origin", origin.encode())]
    )
    await asked.send_input({"type": "websocket.connect"})
    answer = await asked.receive_output(5)
    await asked.send_input({"type": "websocket.disconnect", "code": 1006})
    await asked.wait(5)
    return answer


@pytest.mark.parametrize(
    ("path", "host", "origin"),
    [
        ("/ws/chat/", "evil.example", "http://evil.example"),
        ("/ws/chat/", "localhost", "http://evil.example@localhost"),
        ("/ws/chat/", "localhost", "http://evil.example"),
        ("/ws/other/", "localhost", "http://localhost"),
        ("/", "localhost", "http://localhost"),
        ("/ws/chat/more", "localhost", "http://localhost"),
    ],
)
async def test_a_handshake_that_is_not_for_us_is_denied(path, host, origin):
    assert (await answer_to(path, host, origin))["type"] == "websocket.close"
