"""Django's admin: one file a subject. Conversations are shown by their figures alone, never by what was said.

The wire log and the payloads of webhooks are the exceptions, and every look at them is noted.
"""

from chat.admin import conversations, nodes, providers, users, webhooks, wire

__all__ = ["conversations", "nodes", "providers", "users", "webhooks", "wire"]
