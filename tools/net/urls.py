"""Reads a URL so that it can mean one thing only. Whatever could be read in two ways is refused."""

import re
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final
from urllib.parse import quote, urljoin, urlsplit

import idna
from msgspec import Struct

from tools.net.addresses import Address
from tools.net.errors import AddressRefused

MOST_CHARACTERS: Final = 8192
_PORTS: Final = {"http": 80, "https": 443}
_NAME: Final = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)(\.(?!-)[a-z0-9_-]{1,63}(?<!-))*")
_NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*")
_FORBIDDEN: Final = re.compile(r"[\x00-\x20\x7f\\]")
_QUERY: Final = "%!$&'()*+,;=:@/?~-._[]"


class Place(Struct, frozen=True):
    """What a URL names. `host` is a lower-case ASCII name or an address; IPv6 without brackets."""

    scheme: str
    host: str
    port: int
    target: str
    """Path and query, as they go over the wire."""

    @property
    def literal(self) -> Address | None:
        """The host, where it is an address."""
        try:
            return ip_address(self.host)
        except ValueError:
            return None

    @property
    def authority(self) -> str:
        """For the `Host` header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    def at(self, address: Address) -> str:
        """The URL with an address in place of the host."""
        host = f"[{address}]" if isinstance(address, IPv6Address) else str(address)
        return f"{self.scheme}://{host}:{self.port}{self.target}"

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.authority}{self.target}"

    @property
    def origin(self) -> tuple[str, str, int]:
        return self.scheme, self.host, self.port


def read_url(url: str) -> Place:
    """
    Raises:
        AddressRefused: it is no plain http or https URL.
    """
    _check_characters(url)
    try:
        parts = urlsplit(url)
        if parts.scheme not in _PORTS:
            raise AddressRefused("Only addresses that begin with http:// or https:// can be fetched.")
        if "@" in parts.netloc:
            raise AddressRefused("An address with a user name or a password in it is not fetched.")
        host, port = split_host(parts.netloc)
    except ValueError as error:
        raise AddressRefused(f"The address cannot be read: {error}") from None
    target = quote(parts.path or "/", safe=_QUERY) + (
        f"?{quote(parts.query, safe=_QUERY)}" if parts.query else ""
    )
    return Place(parts.scheme, host, port or _PORTS[parts.scheme], target)


def following_url(place: Place, location: str) -> Place:
    """Where a redirect leads.

    Raises:
        AddressRefused: as `read_url`.
    """
    _check_characters(location)
    try:
        url = urljoin(place.url, location)
    except ValueError as error:
        raise AddressRefused(f"It was redirected to an address that cannot be read: {error}") from None
    return read_url(url)


def _check_characters(url: str) -> None:
    # Parsers leave some of these out, others end the host at them.
    if len(url) > MOST_CHARACTERS or _FORBIDDEN.search(url):
        raise AddressRefused("The address is too long, or has spaces, backslashes or control characters.")


def split_host(authority: str) -> tuple[str, int | None]:
    """`host`, `host:port`, `[v6]` or `[v6]:port`.

    Raises:
        ValueError: it is none of these, or the host is an address in an unusual spelling.
    """
    bracketed = re.fullmatch(r"\[([^\[\]]*)\](?::(\d{1,5}))?", authority)
    if bracketed:
        return str(_six(bracketed[1])), _port(bracketed[2])
    host, colon, port = authority.partition(":")
    if colon and not re.fullmatch(r"\d{1,5}", port):
        raise ValueError("the port is no number.")
    return _host(host), _port(port)


def _port(text: str | None) -> int | None:
    if not text:
        return None
    port = int(text)
    if not 1 <= port <= 65_535:
        raise ValueError("there is no such port.")
    return port


def _six(text: str) -> IPv6Address:
    if "%" in text:
        raise ValueError("an address with a zone is one of this machine's own network.")
    return IPv6Address(text)


def _host(text: str) -> str:
    """Lower case, IDNA, without the dot that a full name may end in."""
    try:
        # Also for plain ASCII: what other parsers would map (full-width digits, an ideographic stop) is mapped first.
        name = text.lower() if text.isascii() else idna.encode(text, uts46=True, std3_rules=True).decode()
    except (idna.IDNAError, UnicodeError):
        raise ValueError("there can be no such host name.") from None
    name = name.removesuffix(".")
    if _NUMBER.fullmatch(name.rpartition(".")[2]):
        # 127.1, 0x7f.1, 2130706433, 0177.0.0.1: addresses to some parsers and names to others.
        try:
            return str(IPv4Address(name))
        except ValueError:
            raise ValueError("an IP address must be written as four decimal numbers.") from None
    if len(name) > 253 or not _NAME.fullmatch(name):
        raise ValueError("there can be no such host name.")
    return name
