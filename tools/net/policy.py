"""Where staff let us go besides the public internet."""

from collections.abc import Iterable
from ipaddress import ip_network
from typing import Self
from urllib.parse import urlsplit

from msgspec import Struct

from tools.net.addresses import Address, Network, is_public
from tools.net.urls import split_host


class AllowedHost(Struct, frozen=True):
    host: str
    port: int | None = None
    """None: any."""


class Policy(Struct, frozen=True):
    hosts: frozenset[AllowedHost] = frozenset()
    networks: tuple[Network, ...] = ()

    @classmethod
    def of(cls, entries: Iterable[str]) -> Self:
        """From `wiki.example`, `wiki.example:8443`, `10.1.2.3`, `[fd00::1]:80`, `10.1.0.0/16`.

        A name covers whatever it resolves to, but none of its subdomains. An address or a network covers every name
        that resolves into it.

        Raises:
            ValueError: an entry is none of these.
        """
        hosts, networks = set(), []
        for entry in entries:
            network = _network(entry)
            if network is not None:
                networks.append(network)
            else:
                host, port = split_host(entry)
                hosts.add(AllowedHost(host, port))
        return cls(frozenset(hosts), tuple(networks))

    def with_service(self, url: str) -> "Policy":
        """Also the host and port of a URL that the site's own settings name, wherever that is."""
        parts = urlsplit(url)
        host, port = split_host(parts.netloc.rpartition("@")[2])
        port = port or (443 if parts.scheme == "https" else 80)
        return Policy(self.hosts | {AllowedHost(host, port)}, self.networks)

    def names(self, host: str, port: int) -> bool:
        """Whether staff have named this host."""
        return AllowedHost(host) in self.hosts or AllowedHost(host, port) in self.hosts

    def covers(self, address: Address) -> bool:
        """Whether this address may be connected to, whoever is said to live there."""
        return is_public(address) or any(address in network for network in self.networks)


def _network(entry: str) -> Network | None:
    try:
        return ip_network(entry)
    except ValueError:
        if "/" in entry:
            raise ValueError(f"{entry!r} is no network.") from None
        return None
