"""`{% icon "plus" %}`: one icon of the sprite that the front-end build makes from Lucide."""

from functools import lru_cache

from django import template
from django.templatetags.static import static
from django.utils.html import format_html
from django.utils.safestring import SafeString

register = template.Library()


@register.simple_tag
@lru_cache(maxsize=256)  # a long conversation shows the same few icons thousands of times
def icon(name: str, size: str = "") -> SafeString:
    """An icon at 20 px, or at 16 px with size `s`. Always set beside a word or inside a labelled control."""
    css_class = "icon icon--s" if size == "s" else "icon"
    return format_html(
        '<svg class="{}" aria-hidden="true"><use href="{}#i-{}"></use></svg>',
        css_class,
        static("chat/sprite.svg"),
        name,
    )


@register.simple_tag
@lru_cache(maxsize=1)
def chevron() -> SafeString:
    """The sign of something that opens; CSS turns it."""
    return format_html(
        '<svg class="icon icon--s chevron" aria-hidden="true"><use href="{}#i-right"></use></svg>',
        static("chat/sprite.svg"),
    )
