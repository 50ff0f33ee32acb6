"""The navigation of the administration: what is registered and what the person may see, in three parts.

The table below says only where a page stands and with which sign. One that it does not name is shown all the same, in
a part of its own, so whoever registers a model has nothing to do here.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from django.urls import reverse
from django.utils.functional import Promise
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from msgspec import Struct

OPERATE, PEOPLE, AUDIT, MORE = "operate", "people", "audit", "more"
Word = str | Promise


class Place(Struct, frozen=True):
    """Where a model's list stands. `label` "" is the model's own name."""

    part: str
    rank: int
    icon: str
    label: Word = ""


class Page(Struct, frozen=True):
    """A page beside the lists; `ModelAdmin.office_pages` names those of a model, and who sees the model sees them."""

    view: str
    place: Place


class Item(Struct, frozen=True):
    label: str
    url: str
    icon: str
    current: bool = False


class Part(Struct, frozen=True):
    title: str
    items: tuple[Item, ...]


PLACES: Final[Mapping[str, Place]] = {
    "run": Place(OPERATE, 10, "play"),
    "node": Place(OPERATE, 30, "server"),
    "provider": Place(OPERATE, 40, "globe"),
    "languagemodel": Place(OPERATE, 50, "cpu", gettext_lazy("Models")),
    "price": Place(OPERATE, 60, "coins"),
    "webhooktool": Place(OPERATE, 70, "tool"),
    "toolsetting": Place(OPERATE, 71, "tool"),
    "user": Place(PEOPLE, 10, "user"),
    "group": Place(PEOPLE, 20, "users"),
    "conversation": Place(PEOPLE, 30, "folder"),
    "attachment": Place(PEOPLE, 35, "file"),
    "modelcall": Place(PEOPLE, 40, "data", gettext_lazy("Ledger")),
    "usageday": Place(PEOPLE, 45, "bars", gettext_lazy("Usage")),
    "budget": Place(PEOPLE, 50, "wallet"),
    "quota": Place(PEOPLE, 51, "wallet"),
    "quotause": Place(PEOPLE, 51, "wallet", gettext_lazy("Use of quotas")),
    "reservation": Place(PEOPLE, 52, "wallet"),
    "apitoken": Place(PEOPLE, 60, "key"),
    "moderationrule": Place(PEOPLE, 70, "flag"),
    "moderationhit": Place(PEOPLE, 71, "flag"),
    "auditentry": Place(AUDIT, 10, "shield", gettext_lazy("Audit log")),
    "audithead": Place(AUDIT, 11, "shield"),
    "webhookendpoint": Place(AUDIT, 20, "hook"),
    "webhookdelivery": Place(AUDIT, 21, "hook"),
    "tooldelivery": Place(AUDIT, 30, "hook"),
    "toolcallback": Place(AUDIT, 31, "hook"),
    "toolinvocation": Place(AUDIT, 40, "tool"),
    "accessattempt": Place(AUDIT, 60, "lock", gettext_lazy("Sign-ins that failed")),
    "accessfailurelog": Place(AUDIT, 61, "lock", gettext_lazy("Sign-ins refused")),
    "accesslog": Place(AUDIT, 62, "lock", gettext_lazy("Sign-ins")),
    "wirerecord": Place(AUDIT, 50, "scroll", gettext_lazy("Wire log")),
}
_WORDS: Final = (("moderation", PEOPLE, "flag"), ("audit", AUDIT, "shield"), ("webhook", AUDIT, "hook"))
"""For models that the table does not name: what stands in the name."""


def navigation(app_list: Sequence[Mapping[str, Any]], admins: Mapping[type, Any], path: str) -> list[Part]:
    """`app_list` is the site's: it holds what the person may see. `path` is the page that is shown."""
    index = reverse("admin:index")
    found: list[tuple[str, int, Item]] = [(OPERATE, 0, Item(_("Dashboard"), index, "bars", path == index))]
    for app in app_list:
        for model in app["models"]:
            if model.get("admin_url"):
                found += _of_model(model, admins.get(model["model"]))
    # Of pages that lie in each other the deepest is the one that is shown.
    deepest = max((item.url for _, _, item in found if path.startswith(item.url)), key=len, default="")
    return [
        Part(title, tuple(_shown(found, part, deepest)))
        for part, title in _titles()
        if any(place == part for place, _, _ in found)
    ]


def _of_model(model: Mapping[str, Any], admin: Any) -> Iterable[tuple[str, int, Item]]:
    place = _place(model["model"]._meta.model_name)
    label = str(place.label) or str(capfirst(model["name"]))
    yield place.part, place.rank, Item(label, model["admin_url"], place.icon)
    for page in getattr(admin, "office_pages", ()):
        yield (
            page.place.part,
            page.place.rank,
            Item(str(page.place.label), reverse(page.view), page.place.icon),
        )


def _place(name: str) -> Place:
    if name in PLACES:
        return PLACES[name]
    part, icon = next(((part, icon) for word, part, icon in _WORDS if word in name), (MORE, "list"))
    return Place(part, 90, icon)


def _shown(found: Iterable[tuple[str, int, Item]], part: str, deepest: str) -> Iterable[Item]:
    index = reverse("admin:index")
    rows = sorted((rank, item.label, item) for place, rank, item in found if place == part)
    for _rank, _label, item in rows:
        yield Item(
            item.label, item.url, item.icon, item.current or (item.url == deepest and deepest != index)
        )


def _titles() -> list[tuple[str, str]]:
    return [(OPERATE, _("Operate")), (PEOPLE, _("People")), (AUDIT, _("Audit")), (MORE, _("More"))]
