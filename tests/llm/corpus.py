"""The recorded streams: where they are, and what is expected of each."""

import importlib.util
import json
import os
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

FOLDER = os.environ.get("STREAM_CORPUS_DIR", "")
DIALECT_OF = {"chat": "openai_chat", "responses": "openai_responses", "anthropic": "anthropic_messages"}

needs_corpus = pytest.mark.skipif(
    not FOLDER,
    reason="NO RECORDED STREAMS: set STREAM_CORPUS_DIR to a folder of recordings",
)


def streams(protocol: str) -> list[str]:
    """Their names, `folder/file` without the ending."""
    return _names(protocol, ".sse")


def http_errors() -> list[str]:
    return _names("*", ".http.json")


def bytes_of(name: str) -> bytes:
    return (Path(FOLDER) / f"{name}.sse").read_bytes()


def http_of(name: str) -> dict[str, Any]:
    return _json(f"{name}.http.json")


def expected_of(name: str) -> dict[str, Any]:
    return _json(f"{name}.expected.json")


def variants(data: bytes) -> Iterator[tuple[str, list[bytes], bool]]:
    """Name, chunks, and whether the facts still hold (else it is a cut)."""
    yield from _mutate().variants(data)


def _names(protocol: str, ending: str) -> list[str]:
    if not FOLDER:
        return []
    root = Path(FOLDER)
    return sorted(
        str(path.relative_to(root)).removesuffix(ending) for path in root.glob(f"*-{protocol}/*{ending}")
    )


def _json(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((Path(FOLDER) / name).read_text())
    return found


def _mutate() -> ModuleType:
    spec = importlib.util.spec_from_file_location("mutate", Path(FOLDER) / "mutate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
