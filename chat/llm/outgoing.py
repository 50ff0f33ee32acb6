"""What may go out in the head of a request, so that a mistake in the settings is called by its name."""

import re
from collections.abc import Mapping

from chat.exceptions import ProviderAuth, ProviderRejected

# RFC 9110, 5.6.2 and 5.5; what is not ASCII means something else to every server.
_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE = re.compile(r"[\t\x20-\x7e]*")

# The connection's own: a wrong one ends this request early and hides another in its body.
_FRAMING = frozenset({"connection", "content-length", "transfer-encoding", "upgrade"})
_KEY_HEADERS = frozenset({"authorization", "x-api-key", "api-key", "x-goog-api-key"})


def checked_headers(own: Mapping[str, str], of_provider: Mapping[str, str]) -> dict[str, str]:
    """Both as one; the provider's win. `own` are the dialect's, where only the key comes from outside.

    Raises:
        ProviderAuth: the key cannot be sent.
        ProviderRejected: another header cannot.
    """
    headers = {**own, **of_provider}
    for name, value in headers.items():
        if not _NAME.fullmatch(name):
            raise ProviderRejected("The provider has a header with a bad name.", detail=f"Header {name!r}")
        if name.lower() in _FRAMING:
            raise ProviderRejected(f"The provider's header {name} cannot be set.")
        if isinstance(value, str) and _VALUE.fullmatch(value):
            continue
        if name.lower() in _KEY_HEADERS:
            raise ProviderAuth("The provider's key has characters that no key can have.")
        raise ProviderRejected(f"The provider's header {name} has a value that cannot be sent.")
    return headers
