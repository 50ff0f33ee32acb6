"""The wire log: what went out and what came back in some attempts, byte for byte, without secrets. For staff."""

import zlib

from django.db import models

from chat.models.base import Row

GZIP = 16 + zlib.MAX_WBITS
"""zlib's name for the gzip format."""


def packed(data: bytes) -> bytes:
    return zlib.compress(data, 6, GZIP)


def unpacked(data: bytes | memoryview) -> bytes:
    """PostgreSQL's driver gives a memoryview."""
    return zlib.decompress(data, GZIP)


class WireRecord(Row):
    """One attempt; its key is that of the attempt's row in the ledger, which may be written later or never.

    It holds what people wrote, and so goes with the conversation.
    """

    class Reason(models.TextChoices):
        FAILED = "failed"
        SAMPLED = "sampled"

    user = models.ForeignKey("chat.User", models.CASCADE, related_name="wire_records")
    conversation = models.ForeignKey("chat.Conversation", models.CASCADE, related_name="wire_records")
    run = models.ForeignKey("chat.Run", models.CASCADE, related_name="wire_records")
    provider = models.CharField(max_length=60)
    model = models.CharField(max_length=140)
    dialect = models.CharField(max_length=40)
    created_at = models.DateTimeField()
    """When the attempt ended."""
    kept_because = models.CharField(max_length=10, choices=Reason)
    outcome = models.CharField(max_length=32)
    """`completed`, `stopped`, or an error code."""
    detail = models.TextField(blank=True)
    """What the error said to staff."""

    url = models.TextField()
    request_headers = models.JSONField(default=dict)
    request_bytes = models.PositiveIntegerField(default=0)
    """As it was sent; what is kept may be shorter."""
    http_status = models.PositiveSmallIntegerField(null=True)
    response_headers = models.JSONField(default=dict)
    response_bytes = models.PositiveIntegerField(default=0)
    """As it was read, with compression taken off."""
    truncated = models.BooleanField(default=False)
    """The answer went on; only its beginning is kept."""
    size = models.PositiveIntegerField(default=0)
    """Bytes that the two bodies take here."""

    # Last, so that nothing else lies behind their pages.
    request = models.BinaryField(default=b"")
    """The body, gzip. Data in base64 is shortened."""
    response = models.BinaryField(default=b"")
    """The body as the dialect was fed with it, gzip."""

    class Meta:
        default_permissions = ("view", "delete")
        # Covers the question how much all of them take.
        indexes = [
            models.Index(fields=["created_at", "size"], name="wire_by_time"),
            # The filters of the admin's list: who reads the rows one by one reads past their bodies.
            models.Index(fields=["kept_because", "created_at"], name="wire_by_reason"),
            models.Index(fields=["outcome", "created_at"], name="wire_by_outcome"),
            models.Index(fields=["provider", "created_at"], name="wire_by_provider"),
            models.Index(fields=["model", "created_at"], name="wire_by_model"),
            models.Index(fields=["http_status", "created_at"], name="wire_by_status"),
        ]

    def __str__(self) -> str:
        return f"{self.provider}/{self.model}, {self.outcome}, {self.created_at:%Y-%m-%d %H:%M:%S}"

    def request_body(self) -> bytes:
        return unpacked(self.request) if self.request else b""

    def response_body(self) -> bytes:
        return unpacked(self.response) if self.response else b""
