"""Where the bytes of attachments lie, and how tools hand theirs in, with the figures of the settings."""

from django.conf import settings
from django.core.files.storage import storages

from chat.attachments.contents import Contents
from chat.attachments.handing_in import AttemptFiles
from chat.conf import FileLimits
from chat.models import ToolInvocation


def contents() -> Contents:
    return Contents(storages["attachments"])


def files_of(invocation: ToolInvocation, epoch: int) -> AttemptFiles:
    limits = FileLimits(
        file_bytes=settings.ATTACHMENT_BYTES,
        files=settings.TOOL_FILES,
        all_bytes=settings.TOOL_FILES_BYTES,
    )
    return AttemptFiles(invocation, epoch, contents(), limits)
