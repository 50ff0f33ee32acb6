"""What staff do is in the audit log: changes of whatever is registered, and signing in."""

import uuid
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse

from chat.models import AuditEntry, Provider, User
from tests.admin.test_admin import change_url, provider_form
from tests.factories import PASSWORD, ProviderFactory, UserFactory
from tests.pages.test_looks import looked


@pytest.fixture
def admin(client: Client, ada: User) -> Client:
    client.force_login(ada, backend="django.contrib.auth.backends.ModelBackend")
    return client


def entries(*actions: str) -> list[AuditEntry]:
    return list(AuditEntry.objects.filter(action__in=actions).order_by("sequence"))


def test_adding_changing_and_deleting(admin: Client, ada: User):
    admin.post("/admin/chat/provider/add/", provider_form())
    provider = Provider.objects.get()
    admin.post(change_url(provider), provider_form(name="other"))
    admin.post(reverse("admin:chat_provider_delete", args=[provider.pk]), {"post": "yes"})

    found = entries("add", "change", "delete")
    assert [entry.action for entry in found] == ["add", "change", "delete"]
    assert {(entry.kind, entry.key, entry.actor) for entry in found} == {
        ("provider", str(provider.pk), ada.pseudonym)
    }
    assert "Name" in found[1].details["changes"][0]["changed"]["fields"]


def test_what_rows_are_called_does_not_go_in(admin: Client):
    admin.post("/admin/chat/provider/add/", provider_form(name="a-name-of-somebody"))
    for entry in entries("add"):
        assert "somebody" not in str([getattr(entry, field.name) for field in entry._meta.fields])


def test_many_deleted_at_once_are_an_entry_each(admin: Client, ada: User):
    rows = ProviderFactory.create_batch(3)
    form = {"action": "delete_selected", "post": "yes", "_selected_action": [str(row.pk) for row in rows]}
    admin.post("/admin/chat/provider/", form)

    assert not Provider.objects.exists()
    assert {entry.key for entry in entries("delete")} == {str(row.pk) for row in rows}
    assert len(entries("delete")) == 3


def test_asking_whether_to_delete_is_no_deletion(admin: Client):
    rows = ProviderFactory.create_batch(2)
    form = {"action": "delete_selected", "_selected_action": [str(row.pk) for row in rows]}
    assert "Are you sure" in admin.post("/admin/chat/provider/", form).content.decode()

    assert entries("delete") == []
    assert Provider.objects.count() == 2


def test_people_are_known_by_their_pseudonyms(admin: Client, bob: User):
    admin.post(f"/admin/chat/user/{bob.pk}/password/", {"password1": "x" * 20, "password2": "x" * 20})
    pair = UserFactory.create_batch(2)
    form = {"action": "delete_selected", "post": "yes", "_selected_action": [str(row.pk) for row in pair]}
    admin.post("/admin/chat/user/", form)

    (change,) = entries("change")
    assert (change.kind, change.key, change.subject) == ("user", str(bob.pseudonym), bob.pseudonym)
    assert {entry.subject for entry in entries("delete")} == {user.pseudonym for user in pair}


def test_groups_and_their_permissions_too(admin: Client):
    admin.post("/admin/auth/group/add/", {"name": "auditors"})

    (entry,) = entries("add")
    assert (entry.kind, entry.key) == ("group", str(Group.objects.get().pk))


@pytest.mark.parametrize("door", ["/accounts/login/", "/admin/login/"])
def test_staff_who_sign_in_are_recorded_through_whichever_door(client: Client, ada: User, door: str):
    client.post(door, {"username": "ada", "password": PASSWORD})

    (entry,) = entries("sign_in")
    assert (entry.actor, entry.subject) == (ada.pseudonym, ada.pseudonym)


def test_others_are_not_nor_is_a_wrong_password(client: Client, ada: User, alice: User):
    client.post("/accounts/login/", {"username": "ada", "password": "wrong"})
    client.post("/accounts/login/", {"username": "alice", "password": PASSWORD})

    assert entries("sign_in") == []


@pytest.mark.django_db(transaction=True)
def test_a_change_that_cannot_be_recorded_is_not_made(admin: Client, monkeypatch: pytest.MonkeyPatch):
    def fails(*_: Any, **__: Any) -> None:
        raise OSError("no room")

    monkeypatch.setattr("chat.admin.recorded.record", fails)
    with pytest.raises(OSError, match="no room"):
        admin.post("/admin/chat/provider/add/", provider_form())

    assert not Provider.objects.exists()


class TestTheList:
    def test_it_shows_names_where_there_still_are_any(self, admin: Client, ada: User, bob: User):
        looked(ada, bob)
        assert ">bob<" in admin.get("/admin/chat/auditentry/").content.decode()
        bob.delete()
        page = admin.get("/admin/chat/auditentry/").content.decode()
        assert ">bob<" not in page
        assert "somebody who has left" in page

    def test_it_is_found_by_person_and_by_what_was_looked_at(self, admin: Client, ada: User, bob: User):
        key = str(uuid.uuid4())
        looked(ada, bob, key=key)
        looked(ada, ada, key="other")
        for words, count in ((key, 1), ("bob", 1), ("nobody", 0), (f"bob {key}", 1)):
            found = admin.get(f"/admin/chat/auditentry/?q={words}").context["cl"].result_list
            assert len(found) == count, words

    def test_an_entry_shows_its_details_and_leads_to_what_was_looked_at(
        self, admin: Client, ada: User, bob: User
    ):
        looked(ada, bob, kind="wire_record", key="0190", details={"query": "<b>x</b>"})
        entry = AuditEntry.objects.get(action="look")
        page = admin.get(f"/admin/chat/auditentry/{entry.pk}/change/").content.decode()
        assert "/admin/chat/wirerecord/0190/change/" in page
        assert "&lt;b&gt;x&lt;/b&gt;" in page
        assert entry.sha256 in page

    def test_not_even_a_superuser_changes_or_deletes_one(self, admin: Client, ada: User, bob: User):
        looked(ada, bob)
        entry = AuditEntry.objects.get(action="look")
        url = f"/admin/chat/auditentry/{entry.pk}"
        assert admin.post(f"{url}/change/", {"reason": "x"}).status_code == 403
        assert admin.post(f"{url}/delete/", {"post": "yes"}).status_code == 403
        form = {"action": "delete_selected", "post": "yes", "_selected_action": [str(entry.pk)]}
        admin.post("/admin/chat/auditentry/", form)
        assert AuditEntry.objects.get(action="look").reason == "ticket 4471"
