"""How webhooks are signed and verified, in both directions. Pure.

Two formats stand side by side:

- Standard Webhooks (https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md):
  HMAC-SHA256 over `id.timestamp.body`, its key the bytes that a secret `whsec_<base64>` stands for;
- the older `X-Webhook-Signature: sha256=<hex>`: HMAC-SHA256 of the body alone, its key the secret as it is written. It
  does not say when it was signed, so whoever takes it must know by other means what was there before.

Several secrets may hold at once, the newest first, while one is being replaced.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Callable, Mapping, Sequence
from secrets import token_bytes
from typing import Final

from msgspec import Struct

from chat.exceptions import BadSignature

ID_HEADER: Final = "webhook-id"
TIMESTAMP_HEADER: Final = "webhook-timestamp"
SIGNATURE_HEADER: Final = "webhook-signature"
BODY_SIGNATURE_HEADER: Final = "X-Webhook-Signature"

TOLERANCE_SECONDS: Final = 300
PREFIX: Final = "whsec_"
SECRET_BYTES: Final = 32
MOST_SIGNATURES: Final = 32
"""More than anybody has while rotating; each costs a comparison."""

# A full stop in an id would let a signed message be read as another one: what is signed is joined by full stops.
_ID = re.compile(r"[!-\-/-~]{1,200}", re.ASCII)
_SECONDS = re.compile(r"[0-9]{1,12}", re.ASCII)


class Signed(Struct, frozen=True):
    """What a verified request says of itself. The same id is the same message, however often it comes."""

    id: str
    timestamp: int


def new_secret(random: Callable[[int], bytes] = token_bytes) -> str:
    return PREFIX + base64.b64encode(random(SECRET_BYTES)).decode()


def sign(secrets: Sequence[str], message: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The headers of a message, for receivers of both kinds.

    Raises:
        ValueError: a secret is not `whsec_<base64>`, there is none, or the id cannot be signed.
    """
    if not secrets or _ID.fullmatch(message) is None:
        raise ValueError("nothing to sign with, or an id that cannot be signed")
    signatures = (f"v1,{_standard(secret, message, str(timestamp), body)}" for secret in secrets)
    return {
        ID_HEADER: message,
        TIMESTAMP_HEADER: str(timestamp),
        SIGNATURE_HEADER: " ".join(signatures),
        BODY_SIGNATURE_HEADER: sign_body(secrets[0], body),
    }


def sign_body(secret: str, body: bytes) -> str:
    """The older form, of the newest secret: it has room for one."""
    return f"sha256={_hex(secret, body)}"


def verify(secrets: Sequence[str], headers: Mapping[str, str], body: bytes, *, now: float) -> Signed:
    """Checks a request by its headers, whatever their case, and its raw body.

    Raises:
        BadSignature: for whatever reason; `detail` has it for staff, whoever sent it learns nothing.
    """
    try:
        return _verified(secrets, {name.lower(): text for name, text in headers.items()}, body, now)
    except BadSignature:
        raise
    except Exception as error:
        raise BadSignature(detail=f"cannot be verified: {type(error).__name__}") from error


def verify_body(secrets: Sequence[str], signature: str, body: bytes) -> None:
    """Checks the older form. `signature` is the header's text.

    Raises:
        BadSignature: for whatever reason.
    """
    try:
        name, _, given = signature.partition("=")
        known = [_hex(secret, body) for secret in secrets]
        fits = name == "sha256" and _any_equal(known, [given.strip().lower()])
    except Exception as error:
        raise BadSignature(detail=f"cannot be verified: {type(error).__name__}") from error
    if not fits:
        raise BadSignature(detail="no signature fits")


def _verified(secrets: Sequence[str], headers: Mapping[str, str], body: bytes, now: float) -> Signed:
    message, seconds = headers.get(ID_HEADER, ""), headers.get(TIMESTAMP_HEADER, "")
    signatures = headers.get(SIGNATURE_HEADER, "").split()
    if _ID.fullmatch(message) is None:
        raise BadSignature(detail=f"{ID_HEADER} is missing or cannot be read")
    if _SECONDS.fullmatch(seconds) is None:
        raise BadSignature(detail=f"{TIMESTAMP_HEADER} is missing or cannot be read")
    if abs(now - int(seconds)) > TOLERANCE_SECONDS:
        raise BadSignature(detail=f"{TIMESTAMP_HEADER} is {int(seconds) - round(now)} seconds from now")
    if not 1 <= len(signatures) <= MOST_SIGNATURES:
        raise BadSignature(detail=f"{SIGNATURE_HEADER} has {len(signatures)} signatures")
    given = [text for version, _, text in (one.partition(",") for one in signatures) if version == "v1"]
    known = [_standard(secret, message, seconds, body) for secret in secrets]
    if not _any_equal(known, given):
        raise BadSignature(detail="no signature fits")
    return Signed(message, int(seconds))


def _any_equal(known: Sequence[str], given: Sequence[str]) -> bool:
    """Each with each, to the end: how long it takes says nothing of which fits, or how nearly."""
    results = [hmac.compare_digest(one.encode(), other.encode()) for one in known for other in given]
    return any(results)


def _standard(secret: str, message: str, timestamp: str, body: bytes) -> str:
    signed = b".".join((message.encode(), timestamp.encode(), body))
    return base64.b64encode(hmac.digest(_key_of(secret), signed, hashlib.sha256)).decode()


def _hex(secret: str, body: bytes) -> str:
    if not secret:
        raise ValueError("an empty secret")
    return hmac.digest(secret.encode(), body, hashlib.sha256).hex()


def _key_of(secret: str) -> bytes:
    """Raises ValueError; its padding may be left out, as some do."""
    text = secret.removeprefix(PREFIX)
    key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    if text == secret or not key:
        raise ValueError(f"a secret begins with {PREFIX} and goes on in base64")
    return key
