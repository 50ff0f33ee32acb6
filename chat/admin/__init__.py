"""Django's admin: one file a subject. Conversations are shown by their figures alone, never by what was said."""

from chat.admin import conversations, nodes, providers, users

__all__ = ["conversations", "nodes", "providers", "users"]
