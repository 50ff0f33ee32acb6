"""Django's admin: one file a subject. Lists and pages show figures; what people wrote stands behind a gate (`gate.py`)
that asks for a permission and a reason, and writes every look into the audit log before it.
"""

from chat.admin import (
    attachments,
    audit,
    conversations,
    groups,
    invocations,
    moderation,
    nodes,
    providers,
    quotas,
    recorded,
    runs,
    tokens,
    usage,
    users,
    webhook_tools,
    webhooks,
    wire,
)

__all__ = [
    "attachments",
    "audit",
    "conversations",
    "groups",
    "invocations",
    "moderation",
    "nodes",
    "providers",
    "quotas",
    "recorded",
    "runs",
    "tokens",
    "usage",
    "users",
    "webhook_tools",
    "webhooks",
    "wire",
]
