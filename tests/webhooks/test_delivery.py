"""One POST, to receivers that behave and to those that do not. No test waits longer than the post's own time."""

import asyncio
import datetime
import ssl
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from chat.webhooks.delivery import Answer, NotDelivered, Post
from tests.fakes.receiver import Receiver, answer, endless, hang, receiver, say, then
from tests.webhooks.conftest import LOOPBACK, to_loopback

HEADERS = {"webhook-id": "1"}
BODY = b'{"event":"run.finished"}'


async def post(to: Receiver | str, *, seconds: float = 5.0, resolve=to_loopback) -> Answer:
    url = to if isinstance(to, str) else to.url
    return await Post(LOOPBACK, resolve=resolve, seconds=seconds)(url, HEADERS, BODY)


class TestWhatIsSent:
    async def test_body_and_headers_as_they_were_given(self, rude: Receiver):
        await post(rude)

        sent = rude.requests[0]
        assert (sent.line, sent.body) == ("POST /hook HTTP/1.1", BODY)
        assert sent.headers["webhook-id"] == "1"
        assert sent.headers["content-type"] == "application/json"
        assert sent.headers["host"] == f"127.0.0.1:{rude.port}"

    async def test_the_name_stays_in_the_host_header_and_the_path_as_it_is(self, rude: Receiver):
        await post(f"http://receiver.test:{rude.port}/a%2Fb?token=x%20y#part")

        sent = rude.requests[0]
        assert sent.line == "POST /a%2Fb?token=x%20y HTTP/1.1"
        assert sent.headers["host"] == f"receiver.test:{rude.port}"

    async def test_the_look_up_is_asked_for_the_name_as_it_goes_over_the_wire(self, rude: Receiver):
        asked = []

        async def resolve(host: str, port: int) -> Sequence[str]:
            asked.append((host, port))
            return ["127.0.0.1"]

        await post(f"http://grüße.test:{rude.port}/", resolve=resolve)

        assert asked == [("xn--gre-6ka8l.test", rude.port)]

    async def test_no_proxy_is_taken_from_the_environment(self, rude: Receiver, monkeypatch):
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy"):
            monkeypatch.setenv(name, "http://127.0.0.1:9")

        assert (await post(f"http://receiver.test:{rude.port}/")).succeeded


class TestAnswers:
    @pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
    async def test_two_hundreds_are_success(self, rude: Receiver, status: int):
        rude.then(answer(status, b""))

        assert (await post(rude)).succeeded

    @pytest.mark.parametrize("status", [300, 301, 302, 304, 307, 308, 400, 401, 404, 410, 429, 500, 503])
    async def test_all_others_are_not(self, rude: Receiver, status: int):
        rude.then(answer(status))

        found = await post(rude)
        assert (found.status, found.succeeded) == (status, False)

    async def test_a_redirect_is_not_followed(self, rude: Receiver):
        with receiver() as internal:
            rude.then(answer(302, Location=internal.url))
            found = await post(rude)

            assert (found.status, internal.connections) == (302, 0)

    async def test_how_long_it_wants_to_be_left_alone(self, rude: Receiver):
        rude.then(answer(503, Retry_After="120"), answer(503, Retry_After="nonsense"), answer(503))

        assert [(await post(rude)).retry_after_seconds for _ in range(3)] == [120.0, None, None]

    async def test_the_first_kilobyte_of_the_body_is_kept(self, rude: Receiver):
        rude.then(answer(500, b"x" * 5000))

        assert (await post(rude)).body == "x" * 1024

    async def test_what_is_no_text_can_be_stored_anyway(self, rude: Receiver):
        rude.then(answer(200, b"a\0\xff\xc3"))

        assert (await post(rude)).body == "a\ufffd\ufffd\ufffd"

    async def test_a_packed_body_is_not_unpacked(self, rude: Receiver):
        rude.then(answer(200, b"\x1f\x8b" + b"\0" * 100, Content_Encoding="gzip"))

        assert (await post(rude)).succeeded


HEAD = b"HTTP/1.1 200 OK\r\n"
RUDE = {
    "that hangs": hang,
    "that closes without a word": say(b""),
    "that speaks another language": say(b"SSH-2.0-OpenSSH_9.2\r\n"),
    "that stops within its head": say(HEAD + b"Content-Le"),
    "whose head never ends": then(say(HEAD), endless(b"X-More: " + b"x" * 1000 + b"\r\n")),
    "whose head comes a letter at a time": then(say(HEAD), endless(b"x", 0.05)),
    "that always says to go on": endless(b"HTTP/1.1 100 Continue\r\n\r\n", 0.01),
}


class TestRudeReceivers:
    @pytest.mark.parametrize("play", RUDE.values(), ids=RUDE.keys())
    async def test_is_given_up(self, rude: Receiver, play):
        rude.then(play)
        began = time.monotonic()

        with pytest.raises(NotDelivered):
            await post(rude, seconds=0.5)
        assert time.monotonic() - began < 5

    @pytest.mark.parametrize(
        "play",
        [
            then(say(HEAD + b"\r\n"), endless(b"x" * 65536)),
            then(say(HEAD + b"Transfer-Encoding: chunked\r\n\r\n"), endless(b"1\r\nx\r\n", 0.01)),
            then(say(HEAD + b"Content-Length: 100\r\n\r\nok"), hang),
            say(HEAD + b"Content-Length: 100\r\n\r\nok"),
        ],
        ids=["never ends", "trickles", "hangs", "breaks off"],
    )
    async def test_a_body_changes_nothing_about_the_status(self, rude: Receiver, play):
        rude.then(play)

        found = await post(rude, seconds=0.5)
        assert found.succeeded
        assert len(found.body) <= 1024

    async def test_a_body_without_an_end_is_left_as_soon_as_enough_of_it_came(self, rude: Receiver):
        rude.then(then(say(HEAD + b"\r\n"), endless(b"x" * 65536)))

        async with asyncio.timeout(20):
            assert (await post(rude, seconds=600)).body == "x" * 1024

    async def test_nobody_listens(self):
        with receiver() as gone:
            url = gone.url
        with pytest.raises(NotDelivered, match="No connection"):
            await post(url)

    async def test_a_look_up_that_hangs_is_given_up_too(self):
        async def resolve(_host: str, _port: int) -> Sequence[str]:
            await asyncio.sleep(60)
            return []

        with pytest.raises(NotDelivered, match=r"0\.1 seconds"):
            await post("http://receiver.test/", seconds=0.1, resolve=resolve)

    @pytest.mark.parametrize(
        "url",
        ["", "receiver.test", "ftp://receiver.test/", "file:///etc/passwd", "http://", "http:///x",
         "http://[::1", "http://a:99999/", "gopher://receiver.test/", "http://re ceiver.test:port/"],
    )  # fmt: skip
    async def test_a_url_that_cannot_be_read(self, url: str):
        with pytest.raises(NotDelivered):
            await post(url)


class TestTls:
    @pytest.fixture
    def tls(self, tmp_path: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
        """Of the receiver, and of who trusts its certificate, which is for `receiver.test` alone."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "receiver.test")])
        today = datetime.datetime.now(datetime.UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(1)
            .not_valid_before(today - datetime.timedelta(days=1))
            .not_valid_after(today + datetime.timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName("receiver.test")]), critical=False)
            .sign(key, hashes.SHA256())
        )
        plain = serialization.NoEncryption()
        form = serialization.PrivateFormat.PKCS8
        file = tmp_path / "both.pem"
        file.write_bytes(
            key.private_bytes(serialization.Encoding.PEM, form, plain)
            + certificate.public_bytes(serialization.Encoding.PEM)
        )
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.load_cert_chain(file)
        return server, ssl.create_default_context(cafile=str(file))

    async def test_the_certificate_is_that_of_the_name_though_the_address_is_connected_to(self, tls):
        server, client = tls
        with receiver(server) as fake:
            found = await Post(LOOPBACK, resolve=to_loopback, seconds=5, tls=client)(
                f"https://receiver.test:{fake.port}/", HEADERS, BODY
            )
            assert found.succeeded
            with pytest.raises(NotDelivered, match="certificate"):
                await Post(LOOPBACK, resolve=to_loopback, seconds=5, tls=client)(
                    f"https://another.test:{fake.port}/", HEADERS, BODY
                )

    async def test_a_certificate_that_nobody_vouches_for_is_refused(self, tls):
        with receiver(tls[0]) as fake, pytest.raises(NotDelivered, match="certificate"):
            await post(f"https://receiver.test:{fake.port}/")
