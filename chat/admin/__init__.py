"""Django's admin: one file a subject. Conversations are shown by their figures alone, never by what was said.

The wire log, the payloads of webhooks, attachments and the page of a tool invocation are the exceptions, and every
look at them is noted.
"""

from chat.admin import (
    attachments,
    conversations,
    invocations,
    nodes,
    providers,
    users,
    webhook_tools,
    webhooks,
    wire,
)

__all__ = [
    "attachments",
    "conversations",
    "invocations",
    "nodes",
    "providers",
    "users",
    "webhook_tools",
    "webhooks",
    "wire",
]
