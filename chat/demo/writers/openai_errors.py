"""How OpenAI refuses: the same for Chat Completions and Responses."""

import uuid
from typing import Any

import msgspec

from chat.demo.script import Refuse

_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
}
_CODES = {401: "invalid_api_key", 404: "model_not_found", 429: "rate_limit_exceeded"}


def error_object(refusal: Refuse) -> dict[str, Any]:
    kind = _TYPES.get(refusal.status, "server_error" if refusal.status >= 500 else "invalid_request_error")
    code = _CODES.get(refusal.status)
    if refusal.reason == "quota":
        kind = code = "insufficient_quota"
    return {"message": refusal.message, "type": kind, "param": None, "code": code}


def error_body(refusal: Refuse) -> bytes:
    return msgspec.json.encode({"error": error_object(refusal)})


def request_headers() -> dict[str, str]:
    return {"x-request-id": f"req_{uuid.uuid4().hex}", "openai-version": "2020-10-01"}
