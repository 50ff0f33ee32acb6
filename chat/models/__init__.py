"""The tables, one file a subject, each QuerySet beside its model."""

from chat.models.attachments import Attachment
from chat.models.audit import AuditCheckpoint, AuditEntry, AuditHead
from chat.models.conversations import Conversation, Message
from chat.models.moderation import ModerationHit, ModerationRule
from chat.models.nodes import Node
from chat.models.providers import LanguageModel, Price, Provider
from chat.models.quotas import Quota, QuotaUse, Reservation
from chat.models.runs import Run
from chat.models.tokens import ApiToken
from chat.models.tools import LateResult, ToolInvocation
from chat.models.usage import ModelCall, UsageDay
from chat.models.users import SetupLink, User
from chat.models.webhook_tools import ToolCallback, ToolDelivery, WebhookTool
from chat.models.webhooks import WebhookDelivery, WebhookEndpoint
from chat.models.wire import WireRecord

__all__ = [
    "ApiToken",
    "Attachment",
    "AuditCheckpoint",
    "AuditEntry",
    "AuditHead",
    "Conversation",
    "LanguageModel",
    "LateResult",
    "Message",
    "ModelCall",
    "ModerationHit",
    "ModerationRule",
    "Node",
    "Price",
    "Provider",
    "Quota",
    "QuotaUse",
    "Reservation",
    "Run",
    "SetupLink",
    "ToolCallback",
    "ToolDelivery",
    "ToolInvocation",
    "UsageDay",
    "User",
    "WebhookDelivery",
    "WebhookEndpoint",
    "WebhookTool",
    "WireRecord",
]
