"""`manage.py verify_audit`: whether the audit log is what it was."""

from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from chat.audit.heads import WrittenHead, read_heads, written
from chat.audit.verify import verify
from chat.models import AuditCheckpoint
from chat.wiring.audit import seals


class Command(BaseCommand):
    help = "Reads the whole audit log and says whether anything was changed, taken out, or put elsewhere."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--heads",
            action="append",
            default=[],
            metavar="FILE",
            help="heads that were written out, one line of JSON each; AUDIT_HEADS_FILE is read anyway",
        )
        parser.add_argument(
            "--known-break",
            action="append",
            default=[],
            type=int,
            metavar="N",
            help="the head had no seal of ours after entry N, and you know why, such as a lost key",
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        own = Path(settings.AUDIT_HEADS_FILE)
        files = [*([own] if own.exists() else []), *(Path(name) for name in options["heads"])]
        try:
            verdict = verify(seals(), _heads(files), known_breaks=options["known_break"])
        except OSError as error:
            raise CommandError(f"Cannot read heads: {error}") from None
        said = f"{verdict.entries} entries and {verdict.heads} written heads"
        if not verdict.faults:
            self.stdout.write(f"{said}: the chain is whole.")
            return
        first = "" if verdict.first_bad is None else f" The first bad entry is {verdict.first_bad}."
        raise CommandError("\n".join([f"{said} were read: the chain is broken.{first}", *verdict.faults]))


def _heads(files: list[Path]) -> Iterator[tuple[str, WrittenHead | None]]:
    for row in AuditCheckpoint.objects.order_by("pk").iterator():
        yield "in the database", written(row)
    for file in files:
        with file.open("rb") as lines:
            for number, head in enumerate(read_heads(lines), 1):
                yield f"line {number} of {file}", head
