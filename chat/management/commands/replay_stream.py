"""`manage.py replay_stream --dialect D FILE…`: what a dialect makes of recorded upstream bytes."""

import json
import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from django.core.management.base import BaseCommand, CommandError

from chat.llm.dialects.errors import MAX_BODY_BYTES
from chat.llm.dialects.registry import DIALECTS
from chat.llm.replay import replay_answer, replay_error

_PIECE_BYTES = 64 * 1024


class Command(BaseCommand):
    help = "Feeds recorded upstream bytes through a dialect and prints one JSON object a file."
    requires_system_checks: list[str] = []  # noqa: RUF012  the base class declares it so

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("files", nargs="+", metavar="FILE", help="- reads standard input")
        parser.add_argument("--dialect", required=True, choices=sorted(DIALECTS))
        parser.add_argument(
            "--chunk", type=int, default=_PIECE_BYTES, metavar="N", help="feed N bytes at a time"
        )
        parser.add_argument(
            "--status", type=int, metavar="S", help="FILE is the body of an answer with this HTTP status"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["chunk"] < 1:
            raise CommandError("--chunk must be at least 1.")
        for name in options["files"]:
            try:
                facts = _replay(name, options["dialect"], options["chunk"], options["status"])
            except OSError as error:
                raise CommandError(f"{name} cannot be read: {error.strerror or error}") from error
            self.stdout.write(json.dumps({"file": name, **facts}, ensure_ascii=False))


def _replay(name: str, dialect: str, chunk_bytes: int, status: int | None) -> dict[str, Any]:
    if name == "-":
        return _replay_open(sys.stdin.buffer, dialect, chunk_bytes, status)
    with Path(name).open("rb") as stream:
        return _replay_open(stream, dialect, chunk_bytes, status)


def _replay_open(stream: BinaryIO, dialect: str, chunk_bytes: int, status: int | None) -> dict[str, Any]:
    if status is not None and status >= 400:
        return replay_error(DIALECTS[dialect], status, stream.read(MAX_BODY_BYTES))
    return replay_answer(DIALECTS[dialect], _pieces(stream, chunk_bytes))


def _pieces(stream: BinaryIO, chunk_bytes: int) -> Iterator[bytes]:
    while piece := stream.read(chunk_bytes):
        yield piece
