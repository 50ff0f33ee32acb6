"""How one attempt of a tool hands in its files."""

import threading
from pathlib import Path

import structlog

from chat.attachments.contents import Contents, digest
from chat.attachments.names import clean_name, clean_type
from chat.conf import FileLimits
from chat.models import Attachment, ToolInvocation
from chat.models.beside import beside_the_loop
from tools.exceptions import ToolFailed, ToolUnavailable

logger = structlog.get_logger(__name__)

TOO_LARGE = "The file {name} is too large: at most {most} bytes are kept of one file."
TOO_MANY = "The tool made too many files: at most {most} are kept of one call."
TOO_MUCH = "The files of this call are too large together: at most {most} bytes are kept."
NOT_KEPT = "The file {name} could not be kept at the moment."


class AttemptFiles:
    """`tools.context.Files` of one invocation under one epoch. Past its limits it refuses; it drops nothing."""

    def __init__(
        self, invocation: ToolInvocation, epoch: int, contents: Contents, limits: FileLimits
    ) -> None:
        self._invocation = invocation
        self._epoch = epoch
        self._contents = contents
        self._limits = limits
        self._lock = threading.Lock()
        self._count = 0
        self._bytes = 0

    def add(self, name: str, media_type: str, content: bytes | Path) -> str:
        """
        Raises:
            ToolFailed: more than one call may make.
            ToolUnavailable: nowhere to put it.
            OSError: the tool's own path cannot be read.
        """
        name = clean_name(name)
        read = self._read(content)
        self._count_in(name, len(read))
        row = Attachment(
            user_id=self._invocation.user_id,
            invocation_id=self._invocation.pk,
            epoch=self._epoch,
            name=name,
            media_type=clean_type(media_type),
            size=len(read),
            sha256=digest(read),
        )
        beside_the_loop(lambda: self._keep(row, read))
        return str(row.pk)

    def _read(self, content: bytes | Path) -> bytes:
        """One byte more than is taken is enough to know."""
        if isinstance(content, Path):
            with content.open("rb") as file:
                return file.read(self._limits.file_bytes + 1)
        return content

    def _count_in(self, name: str, size: int) -> None:
        with self._lock:  # a tool may have threads
            if size > self._limits.file_bytes:
                raise ToolFailed(TOO_LARGE.format(name=name, most=self._limits.file_bytes))
            if self._count >= self._limits.files:
                raise ToolFailed(TOO_MANY.format(most=self._limits.files))
            if self._bytes + size > self._limits.all_bytes:
                raise ToolFailed(TOO_MUCH.format(most=self._limits.all_bytes))
            self._count += 1
            self._bytes += size

    def _keep(self, row: Attachment, content: bytes) -> None:
        row.save(force_insert=True)
        # Only now: the retention takes what has no row.
        try:
            self._contents.put(content, row.sha256)
        except OSError as error:
            logger.warning(
                "a file of a tool was not kept", invocation=str(row.invocation_id), reason=str(error)
            )
            row.delete()
            raise ToolUnavailable(NOT_KEPT.format(name=row.name)) from error
