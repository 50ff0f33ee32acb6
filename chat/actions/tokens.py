"""API tokens: making one, and whose a token is that somebody has sent."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Final

from chat.exceptions import Forbidden, InvalidRequest
from chat.models import ApiToken, User
from chat.models.tokens import TokenScope, digest_of

MOST_DAYS: Final = 3650
LONGEST: Final = 200
"""Characters of what may be a token."""


def create_token(
    owner: User,
    *,
    scopes: Collection[str] | None = None,
    days: int | None = None,
    name: str = "",
    now: datetime,
) -> tuple[ApiToken, str]:
    """A new one, and its words, this once. `scopes` None: all there are; `days` None: it does not expire.

    Raises:
        InvalidRequest: a scope that there is not, or no scope, or no sensible number of days.
    """
    wanted = set(TokenScope.values if scopes is None else scopes)
    if strange := sorted(wanted - set(TokenScope.values)):
        raise InvalidRequest(f"There is no scope {strange[0]}.", field="scopes")
    if not wanted:
        raise InvalidRequest("A token without a scope can do nothing.", field="scopes")
    if days is not None and not 1 <= days <= MOST_DAYS:
        raise InvalidRequest(f"A token lasts from 1 to {MOST_DAYS} days.", field="days")
    expires_at = None if days is None else now + timedelta(days=days)
    token, secret = ApiToken.made(owner, scopes=wanted, expires_at=expires_at, name=name)
    token.save(force_insert=True)
    return token, secret


def bearer_of(header: str) -> str | None:
    """What stands behind `Bearer` in an `Authorization` header; None where it is of another kind, or there is none."""
    scheme, _, given = header.strip().partition(" ")
    return given.strip() if scheme.lower() == "bearer" else None


def token_of(secret: str, *, now: datetime) -> ApiToken | None:
    """The token with its owner, if it holds now; that it was used is noted."""
    if not secret or len(secret) > LONGEST:
        return None
    usable = ApiToken.objects.usable(now).select_related("owner")
    token = usable.filter(token_sha256=digest_of(secret)).first()
    if token is not None:
        ApiToken.objects.note_use(token, now)
    return token


def require(token: ApiToken | None, scope: TokenScope | None) -> None:
    """`token` None: somebody is there in person, who may do all that is theirs.

    Raises:
        Forbidden: the token was not made for this.
    """
    if token is not None and scope is not None and scope not in token.scopes:
        raise Forbidden(f"This token has not the scope {scope.value}.")
