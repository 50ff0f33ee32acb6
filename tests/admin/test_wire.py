"""The wire log in the admin: who may see it, what is shown, and that every look is recorded."""

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from chat.models import AuditEntry, ModelCall, User, WireRecord
from tests.admin.gates import give_reason, looks
from tests.factories import ModelCallFactory, UserFactory, WireRecordFactory
from tests.llm.wire import DONE, STOP, said

STREAM = said("Grüße & <b>more</b>\x07") + STOP + DONE
LIST = "/admin/chat/wirerecord/"


@pytest.fixture
def record(db: None) -> WireRecord:
    return WireRecordFactory.create(
        asked=b'{"model":"demo","messages":[{"role":"user","content":"what was asked"}]}', answered=STREAM
    )


def page(record: WireRecord, what: str = "change") -> str:
    return reverse(f"admin:chat_wirerecord_{what}", args=[record.pk])


def signed_in(*permissions: str, **columns: bool) -> Client:
    user = UserFactory.create(**columns)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


@pytest.fixture
def admin(db: None) -> Client:
    return signed_in("view_wirerecord", "audit_conversation", is_staff=True)


def shown(client: Client, record: WireRecord) -> str:
    """With its content, for a reason."""
    give_reason(client, "wire_record", record.pk)
    response = client.get(page(record))
    assert response.status_code == 200
    return response.content.decode()


class TestWhoMay:
    @pytest.mark.parametrize("what", ["change", "download", "delete", "history"])
    def test_nobody_else_than_staff(self, record: WireRecord, what: str):
        for client in (Client(), signed_in("view_wirerecord", "delete_wirerecord")):
            assert client.get(page(record, what)).status_code == 302
            assert client.get(LIST).status_code == 302

    @pytest.mark.parametrize("what", ["change", "download", "delete", "history"])
    def test_not_staff_without_its_permission(self, record: WireRecord, what: str):
        client = signed_in("view_conversation", "view_run", "view_modelcall", is_staff=True)
        assert client.get(page(record, what)).status_code == 403
        assert client.get(LIST).status_code == 403
        assert looks() == []

    def test_staff_with_it_look_and_download(self, admin: Client, record: WireRecord):
        give_reason(admin, "wire_record", record.pk)
        for url in (LIST, page(record), page(record, "download"), page(record, "history")):
            assert admin.get(url).status_code == 200

    def test_but_not_delete(self, admin: Client, record: WireRecord):
        assert admin.post(page(record, "delete"), {"post": "yes"}).status_code == 403
        assert WireRecord.objects.exists()

    def test_deleting_has_a_permission_of_its_own(self, record: WireRecord):
        client = signed_in("delete_wirerecord", "view_wirerecord", is_staff=True)
        assert client.post(page(record, "delete"), {"post": "yes"}).status_code == 302
        assert not WireRecord.objects.exists()

    def test_nobody_adds_or_changes(self, client: Client, ada: User, record: WireRecord):
        client.force_login(ada, backend="django.contrib.auth.backends.ModelBackend")
        assert client.get(f"{LIST}add/").status_code == 403
        assert client.post(page(record), {"outcome": "completed"}).status_code == 403

    def test_one_that_is_not_there_is_not_found(self, admin: Client, record: WireRecord):
        url = page(record, "download")
        record.delete()
        assert admin.get(url).status_code == 404


class TestWhatIsRecorded:
    def test_a_list_is_no_look(self, admin: Client, record: WireRecord):
        admin.get(LIST)
        assert looks() == []

    def test_every_look_and_every_download_is_and_stays_when_the_record_goes(
        self, admin: Client, record: WireRecord
    ):
        shown(admin, record)
        admin.get(page(record, "download"))
        key = str(record.pk)
        record.delete()
        assert [action for action, _, _ in looks()] == ["look", "download"]
        assert set(AuditEntry.objects.filter(kind="wire_record").values_list("key", flat=True)) == {key}


class TestWhatIsShown:
    def test_the_list_holds_no_word_of_it(self, admin: Client, record: WireRecord):
        body = admin.get(LIST).content.decode()
        assert record.user.username in body
        assert "what was asked" not in body
        assert "Grüße" not in body

    def test_request_stream_and_what_the_dialect_makes_of_it(self, admin: Client, record: WireRecord):
        body = shown(admin, record)
        assert "&quot;content&quot;: &quot;what was asked&quot;" in body
        assert "data: [DONE]" in body
        assert "Grüße &amp; &lt;b&gt;more&lt;/b&gt;␇</pre>" in body
        assert '<th scope="row">finish reason</th>' in body

    def test_markup_in_it_is_text(self, admin: Client, record: WireRecord):
        record.detail = "<script>alert(1)</script>"
        record.response_headers = {"x-a": "<script>alert(2)</script>"}
        record.save()
        assert "<script>alert" not in shown(admin, record)

    def test_no_page_brings_styles_that_the_policy_forbids(self, admin: Client, record: WireRecord):
        for url in (LIST, page(record)):
            body = admin.get(url).content.decode()
            assert " style=" not in body
            assert "<style" not in body

    def test_a_long_answer_is_bounded(self, admin: Client):
        record = WireRecordFactory.create(answered=said("x" * 300_000) + STOP + DONE)
        body = shown(admin, record)
        assert len(body) < 250_000
        assert "more characters are not shown" in body

    def test_a_truncated_one_says_so(self, admin: Client):
        record = WireRecordFactory.create(truncated=True, response_bytes=5_000_000)
        assert "Truncated: 5000000 bytes came." in shown(admin, record)

    def test_an_error_body_is_read_as_one(self, admin: Client):
        record = WireRecordFactory.create(http_status=429, answered=b'{"error": {"message": "slow down"}}')
        body = shown(admin, record)
        assert "provider_overloaded" in body
        assert "--status 429" in body

    @pytest.mark.parametrize("changes", [{"http_status": None, "answered": b""}, {"dialect": "one of old"}])
    def test_where_nothing_can_be_replayed_the_page_opens(self, admin: Client, changes: dict[str, object]):
        assert "There is no answer to replay." in shown(admin, WireRecordFactory.create(**changes))

    def test_a_dialect_that_breaks_on_it_does_not_break_the_page(
        self, admin: Client, record: WireRecord, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr("chat.admin.wire.DIALECTS", {"openai_chat": None})
        assert "There is no answer to replay." in shown(admin, record)
        monkeypatch.setattr("chat.admin.wire.DIALECTS", {"openai_chat": object()})
        assert "AttributeError" in shown(admin, record)

    def test_it_is_reached_from_its_run_and_its_call(self, client: Client, ada: User, record: WireRecord):
        client.force_login(ada, backend="django.contrib.auth.backends.ModelBackend")
        call: ModelCall = ModelCallFactory.create(id=record.pk, run=record.run)
        other: ModelCall = ModelCallFactory.create(attempt=2, run=record.run)
        run_page = client.get(f"/admin/chat/run/{record.run.pk}/change/").content.decode()
        assert f'{LIST}?run__id__exact={record.run.pk}">1</a>' in run_page
        assert str(record.pk) in client.get(f"{LIST}?run__id__exact={record.run.pk}").content.decode()
        assert page(record) in client.get(f"/admin/chat/modelcall/{call.pk}/change/").content.decode()
        other_page = client.get(f"/admin/chat/modelcall/{other.pk}/change/").content.decode()
        assert LIST + str(other.pk) not in other_page

    def test_it_leads_to_them(self, admin: Client, record: WireRecord):
        body = shown(admin, record)
        assert f"/admin/chat/conversation/{record.conversation.pk}/change/" in body
        assert f"/admin/chat/run/{record.run.pk}/change/" in body
        assert "not in the ledger" in body
        ModelCallFactory.create(id=record.pk, run=record.run)
        assert f"/admin/chat/modelcall/{record.pk}/change/" in shown(admin, record)


class TestDownload:
    def test_it_is_the_bytes_as_they_came(self, admin: Client, record: WireRecord):
        give_reason(admin, "wire_record", record.pk)
        response = admin.get(page(record, "download"))
        assert response.content == STREAM
        assert response["Content-Type"] == "application/octet-stream"
        assert response["X-Content-Type-Options"] == "nosniff"

    @pytest.mark.parametrize(
        ("status", "kind", "suffix"),
        [
            (200, "text/event-stream; charset=utf-8", "sse"),
            (200, "application/json", "json"),
            (429, "text/event-stream", "json"),
        ],
    )
    def test_its_name_says_what_it_is(self, admin: Client, status: int, kind: str, suffix: str):
        record = WireRecordFactory.create(
            provider="lab", model='x/"y"\r\nz', http_status=status, response_headers={"content-type": kind}
        )
        give_reason(admin, "wire_record", record.pk)
        said_name = admin.get(page(record, "download"))["Content-Disposition"]
        assert said_name == f'attachment; filename="lab-x-y-z-provider_cut-{record.pk}.{suffix}"'
