"""The navigation shows what is registered and may be seen, and the admin has one way in."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.models import Permission
from django.test import Client

from chat.admin.navigation import OPERATE, navigation
from chat.models import Run, User, WireRecord


def signed_in(user: User, *permissions: str) -> Client:
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def clerk(*permissions: str) -> Client:
    user = User.objects.create_user("clerk", password=None, is_staff=True)
    return signed_in(user, *permissions)


def labels(client: Client, path: str = "/admin/") -> list[str]:
    parts = client.get(path).context["navigation"]
    return [item.label for part in parts for item in part.items]


def listed(model: Any, url: str = "/admin/somewhere/") -> list[dict[str, Any]]:
    """A site's list of one model."""
    return [{"models": [{"model": model, "name": "things", "admin_url": url}]}]


def test_a_superuser_finds_the_three_parts(client: Client, ada: User):
    parts = signed_in(ada).get("/admin/").context["navigation"]

    assert [part.title for part in parts][:3] == ["Operate", "People", "Audit"]
    assert [item.label for item in parts[0].items][:5] == [
        "Dashboard",
        "Runs",
        "Breakers and queues",
        "Nodes",
        "Providers",
    ]


def test_who_may_see_one_model_is_shown_that_one(db: None):
    assert labels(clerk("view_run")) == ["Dashboard", "Runs"]


def test_pages_beside_a_list_come_with_the_model(db: None):
    assert labels(clerk("view_provider")) == ["Dashboard", "Breakers and queues", "Providers"]


def test_the_page_one_is_on_is_marked_alone(client: Client, ada: User):
    for path, label in (
        ("/admin/", "Dashboard"),
        ("/admin/chat/run/", "Runs"),
        ("/admin/chat/provider/limits/", "Breakers and queues"),
        ("/admin/chat/provider/add/", "Providers"),
    ):
        parts = signed_in(ada).get(path).context["navigation"]
        assert [item.label for part in parts for item in part.items if item.current] == [label]


def test_a_model_that_nobody_has_placed_is_shown_in_a_part_of_its_own():
    class Meta:
        model_name = "novelty"

    unknown = type("Novelty", (), {"_meta": Meta})

    operate, more = navigation(listed(unknown), {}, "/admin/somewhere/")

    assert more.title == "More"
    assert [(item.label, item.current) for item in more.items] == [("Things", True)]
    assert [item.label for item in operate.items] == ["Dashboard"]


def test_every_registered_model_has_its_line(client: Client, ada: User):
    shown = {item.url for part in signed_in(ada).get("/admin/").context["navigation"] for item in part.items}

    missing = [
        model
        for model in admin.site._registry
        if f"/admin/{model._meta.app_label}/{model._meta.model_name}/" not in shown
    ]
    assert missing == []


def test_labels_that_are_ours_stand_in_place_of_the_models_names():
    operate, audit = navigation(listed(WireRecord), {}, "/")

    assert [item.label for item in audit.items] == ["Wire log"]
    assert navigation(listed(Run), {}, "/")[0].items[1].icon == "play"
    assert OPERATE == "operate"
    assert operate.title == "Operate"


class TestTheWayIn:
    def test_a_stranger_is_sent_to_the_page_where_everybody_signs_in(self, client: Client, db: None):
        response = client.get("/admin/login/?next=/admin/chat/run/")

        assert response.headers["Location"] == "/accounts/login/?next=%2Fadmin%2Fchat%2Frun%2F"

    def test_who_is_signed_in_and_no_staff_is_told_so(self, alice: User):
        assert signed_in(alice).get("/admin/login/").status_code == 403

    def test_staff_are_let_in(self, ada: User):
        assert signed_in(ada).get("/admin/login/").headers["Location"] == "/admin/"
