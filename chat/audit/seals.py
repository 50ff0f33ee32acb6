"""Seals: HMAC-SHA256 over canonical JSON, with a key that is not in the database. Pure."""

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from typing import Any

from chat.audit.canonical import canonical


class Seals:
    """`keys`: the newest first, with which everything new is sealed; the others still hold."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        if not keys or not all(keys):
            raise ValueError("a seal needs a key")
        self._keys = tuple(keys)

    def seal(self, what: str, fields: Mapping[str, Any]) -> str:
        """`what` keeps seals of one kind from being taken for those of another."""
        return _seal(self._keys[0], what, fields)

    def holds(self, seal: str, what: str, fields: Mapping[str, Any]) -> bool:
        known = [_seal(key, what, fields) for key in self._keys]
        return any(hmac.compare_digest(one.encode(), seal.encode()) for one in known)


def _seal(key: bytes, what: str, fields: Mapping[str, Any]) -> str:
    return hmac.digest(key, canonical({**fields, "seals": what}), hashlib.sha256).hex()
