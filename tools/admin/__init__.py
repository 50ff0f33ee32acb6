"""In Django's admin: what staff set for tools, and the shop."""

from tools.admin import settings, shop

__all__ = ["settings", "shop"]
