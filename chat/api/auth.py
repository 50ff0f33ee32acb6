"""Who may call: people by their session, programs by an API token that has the scope of what they ask for."""

from typing import Any

from django.http import HttpRequest
from django.utils import timezone
from ninja.security import django_auth
from ninja.security.http import HttpAuthBase

from chat.actions.tokens import bearer_of, require, token_of
from chat.exceptions import SignedOut
from chat.models import ApiToken
from chat.models.tokens import TokenScope


class ApiTokenAuth(HttpAuthBase):
    """Whoever sends a token is judged by it alone: one that does not hold is not made good by a session.

    No CSRF token is asked for: no page of another site can have a browser send this header.
    """

    openapi_scheme = "bearer"

    def __init__(self, scope: TokenScope) -> None:
        super().__init__()
        self._scope = scope

    def __call__(self, request: HttpRequest) -> ApiToken | None:
        """
        Raises:
            SignedOut: the token is wrong, revoked or expired, or its owner is not active.
            Forbidden: it has not the scope.
        """
        secret = bearer_of(request.headers.get("Authorization", ""))
        if secret is None:
            return None
        token = token_of(secret, now=timezone.now())
        if token is None:
            raise SignedOut("This token does not hold.")
        request.user = token.owner
        require(token, self._scope)
        return token


def needs(scope: TokenScope) -> list[Any]:
    """The `auth` of a route: what a token must have been made for. A session may do all that its user may."""
    return [ApiTokenAuth(scope), django_auth]
