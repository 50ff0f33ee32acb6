"""The vendors' list prices of common models (chat/fixtures/prices.json), by the names that sellers give them."""

import ipaddress
from functools import cache
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from chat.exceptions import InvalidRequest
from chat.llm import catalog
from chat.usage.pricing import PriceList

FILE: Final = Path(__file__).parent.parent / "fixtures" / "prices.json"


class ListedPrice(PriceList, frozen=True, kw_only=True):
    """`open_weights`: anybody may run it, so that its price is that of whoever does."""

    model: str
    vendor: str = ""
    open_weights: bool = False

    def plain(self) -> PriceList:
        return PriceList(**{name: getattr(self, name) for name in PriceList.__struct_fields__})


class PriceFile(Struct, frozen=True):
    """`currency` is that of all prices; `sources` says by vendor where they were read."""

    models: list[ListedPrice]
    currency: str = "USD"
    read_in: str = ""
    sources: dict[str, str] = {}

    def find(self, model: str, base_url: str = "") -> PriceList | None:
        """None where the list does not know it, or where the provider at `base_url` is one's own and runs it itself."""
        known = {one.model: one for one in self.models}
        one = next((known[name] for name in catalog.names_of(model) if name in known), None)
        if one is None or (one.open_weights and is_ones_own(base_url)):
            return None
        return msgspec.structs.replace(one.plain(), currency=self.currency)


@cache
def bundled() -> PriceFile:
    return read(FILE)


def read(file: Path) -> PriceFile:
    """
    Raises:
        InvalidRequest: it cannot be read, or is not of that form.
    """
    try:
        return msgspec.json.decode(file.read_bytes(), type=PriceFile)
    except (OSError, msgspec.DecodeError) as error:
        raise InvalidRequest(f"Not a list of prices: {file}: {error}", field="file") from None


def is_ones_own(base_url: str) -> bool:
    """A server on this machine or in one's own net, as far as its address tells."""
    host = urlsplit(base_url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return bool(host) and ("." not in host or host.endswith((".local", ".internal", ".lan")))
