"""Attachments over REST: downloading one."""

from typing import Any, Final, cast
from uuid import UUID

import structlog
from django.http import HttpRequest, StreamingHttpResponse
from ninja import Router

from chat.api.auth import needs
from chat.attachments.contents import Gone
from chat.attachments.download import download
from chat.exceptions import FileGone, NotFound
from chat.models import Attachment, User
from chat.models.tokens import TokenScope
from chat.wiring.attachments import contents

router = Router(tags=["attachments"])
logger = structlog.get_logger(__name__)

BYTES: Final[dict[str, Any]] = {
    "responses": {
        200: {
            "description": "The file, as a download. Its media type is the attachment's own.",
            "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
        }
    }
}


@router.get("/{key}", openapi_extra=BYTES, auth=needs(TokenScope.CONVERSATIONS_READ))
def read(request: HttpRequest, key: UUID) -> StreamingHttpResponse:
    attachment = Attachment.objects.visible_to(cast(User, request.user)).filter(pk=key).first()
    if attachment is None:
        raise NotFound
    try:
        return download(attachment, contents())
    except Gone as error:
        # Or this machine does not share the folder with the one that wrote it.
        logger.warning("an attachment has no bytes", attachment=str(key), reason=str(error))
        raise FileGone from error
