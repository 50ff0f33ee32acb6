"""Django's admin: one file a subject. Conversations are shown by their figures alone, never by what was said.

The wire log is the exception, and every look at it is noted.
"""

from chat.admin import conversations, nodes, providers, users, wire

__all__ = ["conversations", "nodes", "providers", "users", "wire"]
