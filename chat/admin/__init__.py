"""Django's admin: one file a subject. Conversations are shown by their figures alone, never by what was said.

The wire log, the payloads of webhooks and the page of a tool invocation are the exceptions, and every look at them is
noted.
"""

from chat.admin import conversations, invocations, nodes, providers, users, webhook_tools, webhooks, wire

__all__ = ["conversations", "invocations", "nodes", "providers", "users", "webhook_tools", "webhooks", "wire"]
