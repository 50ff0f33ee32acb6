"""Signatures of both kinds: what is signed fits, and twenty kinds of malformed requests are refused in one way."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.exceptions import BadSignature
from chat.webhooks.signing import new_secret, sign, sign_body, verify, verify_body

NOW = 1_700_000_000.0
SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
OLDER = "whsec_" + base64.b64encode(bytes(range(24))).decode()
BODY = b'{"event":"run.finished"}'


def signed(**changed: str) -> dict[str, str]:
    """A good request's headers; a header changed to "-" is left out."""
    headers = sign([SECRET], "msg_1", int(NOW), BODY)
    headers |= {name.replace("_", "-"): text for name, text in changed.items()}
    return {name: text for name, text in headers.items() if text != "-"}


def test_what_was_signed_fits():
    found = verify([SECRET], signed(), BODY, now=NOW)

    assert (found.id, found.timestamp) == ("msg_1", int(NOW))


def test_the_case_of_header_names_does_not_matter():
    headers = {name.title(): text for name, text in signed().items()}

    assert verify([SECRET], headers, BODY, now=NOW).id == "msg_1"


def test_a_new_secret_is_one_that_can_be_signed_with():
    secret = new_secret()

    assert verify([secret], sign([secret], "a", int(NOW), BODY), BODY, now=NOW).id == "a"
    assert secret != new_secret()


def test_a_secret_without_its_padding_is_the_same():
    assert verify([SECRET.rstrip("=")], signed(), BODY, now=NOW).id == "msg_1"


@pytest.mark.parametrize("seconds", [-300, -299, 0, 299, 300])
def test_five_minutes_either_way_are_in_time(seconds: int):
    assert verify([SECRET], signed(), BODY, now=NOW + seconds).id == "msg_1"


class TestRotating:
    def test_a_receiver_of_either_secret_takes_it(self):
        headers = sign([SECRET, OLDER], "msg_1", int(NOW), BODY)

        assert verify([SECRET], headers, BODY, now=NOW).id == "msg_1"
        assert verify([OLDER], headers, BODY, now=NOW).id == "msg_1"

    def test_a_receiver_of_both_takes_either_signature(self):
        for secret in (SECRET, OLDER):
            headers = sign([secret], "msg_1", int(NOW), BODY)
            assert verify([SECRET, OLDER], headers, BODY, now=NOW).id == "msg_1"

    def test_a_version_that_is_not_known_is_passed_over(self):
        headers = signed()
        headers["webhook-signature"] = "v1a,c29tZXRoaW5n v9 " + headers["webhook-signature"]

        assert verify([SECRET], headers, BODY, now=NOW).id == "msg_1"


GOOD = sign([SECRET], "msg_1", int(NOW), BODY)["webhook-signature"]
MALFORMED = {
    "no id": signed(webhook_id="-"),
    "an empty id": signed(webhook_id=""),
    "an id with a full stop": sign([SECRET], "msg_1", int(NOW), BODY) | {"webhook-id": "msg_1.1"},
    "an id with a line break": signed(webhook_id="msg_1\n"),
    "an id of a kilobyte": signed(webhook_id="m" * 1024),
    "another id": signed(webhook_id="msg_2"),
    "no timestamp": signed(webhook_timestamp="-"),
    "a timestamp in words": signed(webhook_timestamp="yesterday"),
    "a timestamp that is no number": signed(webhook_timestamp="nan"),
    "a timestamp with a fraction": signed(webhook_timestamp=f"{NOW}"),
    "a timestamp in other digits": signed(webhook_timestamp="١٧٠٠٠٠٠٠٠٠"),
    "a negative timestamp": signed(webhook_timestamp=f"-{NOW:.0f}"),
    "a timestamp of five thousand digits": signed(webhook_timestamp="1" * 5000),
    "too old": sign([SECRET], "msg_1", int(NOW) - 301, BODY),
    "too new": sign([SECRET], "msg_1", int(NOW) + 301, BODY),
    "no signature": signed(webhook_signature="-"),
    "an empty signature": signed(webhook_signature=" "),
    "no version": signed(webhook_signature=GOOD.removeprefix("v1,")),
    "another version": signed(webhook_signature=GOOD.replace("v1", "v2")),
    "a signature that is no base64": signed(webhook_signature="v1,%%%"),
    "a signature cut short": signed(webhook_signature=GOOD[:-5]),
    "a signature with something behind it": signed(webhook_signature=GOOD + "AAAA"),
    "a signature beyond ASCII": signed(webhook_signature="v1,Grüße"),
    "half a character": signed(webhook_signature="v1,\ud800"),
    "a hundred signatures": signed(webhook_signature=" ".join(["v1,AAAA"] * 99 + [GOOD])),
    "another secret": sign([OLDER], "msg_1", int(NOW), BODY),
    "nothing at all": {},
}


@pytest.mark.parametrize("headers", MALFORMED.values(), ids=MALFORMED.keys())
def test_malformed_requests_are_refused_alike(headers: dict[str, str]):
    with pytest.raises(BadSignature) as refused:
        verify([SECRET], headers, BODY, now=NOW)

    assert (refused.value.http_status, str(refused.value)) == (401, "The signature does not fit.")


@pytest.mark.parametrize("body", [b"", BODY + b"\n", BODY[:-1], b"\xff\xfe", BODY.replace(b"run", b"RUN")])
def test_another_body_is_refused(body: bytes):
    with pytest.raises(BadSignature):
        verify([SECRET], signed(), body, now=NOW)


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_%%%", "plain words", "whsec_Grüße"])
def test_a_secret_that_is_none_refuses_instead_of_breaking(secret: str):
    with pytest.raises(BadSignature):
        verify([secret], signed(), BODY, now=NOW)
    with pytest.raises(ValueError):
        sign([secret], "msg_1", int(NOW), BODY)


def test_without_secrets_nothing_fits():
    with pytest.raises(BadSignature):
        verify([], signed(), BODY, now=NOW)
    with pytest.raises(BadSignature):
        verify_body([], sign_body(SECRET, BODY), BODY)


def test_a_signed_message_cannot_be_read_as_another():
    """`a` at 5 with the body `6.x` and `a.5` at 6 with the body `x` would be signed alike."""
    headers = sign([SECRET], "a", int(NOW), f"{NOW:.0f}.x".encode())
    headers |= {"webhook-id": f"a.{NOW:.0f}"}

    with pytest.raises(BadSignature):
        verify([SECRET], headers, b"x", now=NOW)


@given(st.dictionaries(st.sampled_from(sorted(signed())), st.text()), st.binary())
def test_whatever_comes_it_is_refused_and_breaks_nothing(changed: dict[str, str], body: bytes):
    with pytest.raises(BadSignature):
        verify([SECRET], {**signed(), **changed}, body + b"!", now=NOW)


class TestOfTheBodyAlone:
    def test_what_was_signed_fits(self):
        verify_body([SECRET], sign([SECRET], "msg_1", int(NOW), BODY)["X-Webhook-Signature"], BODY)

    def test_it_is_what_others_compute(self):
        """RFC 4231, test case 2."""
        known = "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"

        assert sign_body("Jefe", b"what do ya want for nothing?") == known
        verify_body(["Jefe"], known.upper().replace("SHA", "sha"), b"what do ya want for nothing?")

    def test_the_newest_secret_signs_and_every_one_verifies(self):
        header = sign([SECRET, OLDER], "msg_1", int(NOW), BODY)["X-Webhook-Signature"]

        verify_body([OLDER, SECRET], header, BODY)
        with pytest.raises(BadSignature):
            verify_body([OLDER], header, BODY)

    @pytest.mark.parametrize(
        "signature",
        ["", "sha256=", "sha256", "sha1=00", "sha256=zz", "sha256=Grüße", "sha256=\ud800", "=",
         sign_body(SECRET, BODY)[7:], sign_body(SECRET, BODY)[:-1], sign_body(SECRET, BODY + b" ")],
    )  # fmt: skip
    def test_malformed_ones_are_refused_alike(self, signature: str):
        with pytest.raises(BadSignature) as refused:
            verify_body([SECRET], signature, BODY)

        assert refused.value.http_status == 401
