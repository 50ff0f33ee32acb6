"""What the admin shows, and what it must never show."""

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from chat.models import Conversation, LanguageModel, ModelCall, Node, Price, Provider, User
from tests.factories import (
    ConversationFactory,
    LanguageModelFactory,
    MessageFactory,
    ModelCallFactory,
    NodeFactory,
    PriceFactory,
    ProviderFactory,
    RunFactory,
)

SECRET_KEY_OF_OURS = "sk-never-shown-again"
WORDS = "the words of a private conversation"
PAGES = ["user", "provider", "languagemodel", "node", "conversation", "run", "modelcall"]


@pytest.fixture
def admin(client: Client, ada: User) -> Client:
    client.force_login(ada, backend="django.contrib.auth.backends.ModelBackend")
    return client


def provider_form(**changes: str) -> dict[str, str]:
    inline = {f"models-{name}_FORMS": "0" for name in ("TOTAL", "INITIAL", "MIN_NUM", "MAX_NUM")}
    form = {"name": "lab", "dialect": "openai_chat", "base_url": "http://127.0.0.1:9/v1", "enabled": "on"}
    return form | {"headers": "{}", "key_env": ""} | inline | changes


def change_url(row: object) -> str:
    name = type(row).__name__.lower()
    return reverse(f"admin:chat_{name}_change", args=[row.pk])  # type: ignore[attr-defined]


@pytest.mark.parametrize("page", PAGES)
def test_somebody_who_is_not_staff_sees_none_of_it(client: Client, alice: User, page: str):
    client.force_login(alice, backend="django.contrib.auth.backends.ModelBackend")

    assert client.get(f"/admin/chat/{page}/").status_code == 302


@pytest.mark.parametrize("page", PAGES)
def test_every_list_opens(admin: Client, page: str):
    ModelCallFactory.create()
    NodeFactory.create()
    PriceFactory.create()

    assert admin.get(f"/admin/chat/{page}/").status_code == 200


def test_workers_stand_among_the_processes(admin: Client):
    worker = NodeFactory.create(kind=Node.Kind.WORKER, host="tools.example.org")

    for page in ("/admin/chat/node/", "/admin/chat/node/?kind__exact=worker"):
        shown = admin.get(page).content.decode()
        assert "tools.example.org" in shown
        assert str(worker.pid) in shown
    assert "tools.example.org" not in admin.get("/admin/chat/node/?kind__exact=web").content.decode()


class TestKeys:
    def test_a_pasted_key_is_stored_encrypted(self, admin: Client):
        response = admin.post("/admin/chat/provider/add/", provider_form(new_key=SECRET_KEY_OF_OURS))

        assert response.status_code == 302
        provider = Provider.objects.get()
        assert provider.read_key() == SECRET_KEY_OF_OURS
        assert SECRET_KEY_OF_OURS.encode() not in bytes(provider.key_encrypted)

    @pytest.fixture
    def provider(self, db: None) -> Provider:
        provider = ProviderFactory.build(name="lab")
        provider.set_key(SECRET_KEY_OF_OURS)
        provider.save()
        return provider

    def test_no_page_shows_it_again(self, admin: Client, provider: Provider):
        for url in ("/admin/chat/provider/", change_url(provider)):
            body = admin.get(url).content.decode()
            assert SECRET_KEY_OF_OURS not in body
            assert bytes(provider.key_encrypted).decode() not in body
            assert ">set<" in body

    def test_not_even_the_form_that_was_refused(self, admin: Client):
        body = admin.post(
            "/admin/chat/provider/add/", provider_form(new_key=SECRET_KEY_OF_OURS, base_url="nonsense")
        ).content.decode()

        assert "Not a base URL" in body
        assert SECRET_KEY_OF_OURS not in body

    def test_an_empty_field_keeps_it(self, admin: Client, provider: Provider):
        admin.post(change_url(provider), provider_form())

        assert Provider.objects.get().read_key() == SECRET_KEY_OF_OURS

    def test_it_can_be_forgotten(self, admin: Client, provider: Provider):
        admin.post(change_url(provider), provider_form(forget_key="on"))

        assert Provider.objects.get().read_key() == ""

    def test_the_history_does_not_hold_it(self, admin: Client, provider: Provider):
        admin.post(change_url(provider), provider_form(new_key="sk-another-secret"))

        history = admin.get(reverse("admin:chat_provider_history", args=[provider.pk])).content.decode()
        assert "sk-another-secret" not in history

    def test_of_a_named_key_the_name_is_shown_and_whether_it_is_set(
        self, admin: Client, monkeypatch: pytest.MonkeyPatch
    ):
        provider = ProviderFactory.create(key_env="LAB_KEY")
        monkeypatch.setenv("LAB_KEY", SECRET_KEY_OF_OURS)
        assert "from env LAB_KEY<" in admin.get(change_url(provider)).content.decode()

        monkeypatch.delenv("LAB_KEY")
        assert "from env LAB_KEY, which is not set<" in admin.get(change_url(provider)).content.decode()


def test_headers_must_be_names_and_texts(admin: Client):
    body = admin.post("/admin/chat/provider/add/", provider_form(headers='["x"]')).content.decode()

    assert "Expected an object of header names and texts." in body
    assert not Provider.objects.exists()


def test_a_price_can_be_added_beside_a_model_but_not_changed(admin: Client):
    price = PriceFactory.create()
    model = price.model
    form = {
        "provider": str(model.provider.pk), "name": model.name, "enabled": "on", "capabilities": "[]",
        "prices-TOTAL_FORMS": "2", "prices-INITIAL_FORMS": "1", "prices-MIN_NUM_FORMS": "0",
        "prices-MAX_NUM_FORMS": "1000", "prices-0-id": str(price.pk), "prices-0-model": str(model.pk),
        "prices-0-input": "99", "prices-0-output": "99", "prices-1-model": str(model.pk), "prices-1-currency": "USD",
        "prices-1-valid_from_0": "2030-01-01", "prices-1-valid_from_1": "00:00:00",
        "prices-1-input": "3", "prices-1-output": "4",
    }  # fmt: skip

    response = admin.post(change_url(model), form)

    assert response.status_code == 302, response.content.decode()
    assert sorted(Price.objects.values_list("input", flat=True)) == [2, 3]


class TestConversations:
    @pytest.fixture
    def conversation(self, db: None) -> Conversation:
        conversation = ConversationFactory.create(title=WORDS, options={"system": WORDS})
        MessageFactory.create(conversation=conversation, text=WORDS)
        run = RunFactory.create(conversation=conversation, options={"system": WORDS})
        ModelCallFactory.create(run=run)
        return conversation

    @pytest.mark.parametrize("page", ["conversation", "run", "modelcall"])
    def test_lists_hold_no_word_of_them(self, admin: Client, conversation: Conversation, page: str):
        body = admin.get(f"/admin/chat/{page}/").content.decode()

        assert WORDS not in body
        assert conversation.owner.username in body

    def test_single_pages_hold_no_word_of_them(self, admin: Client, conversation: Conversation):
        run = conversation.runs.get()
        for row in (conversation, run, run.model_calls.get()):
            response = admin.get(change_url(row))
            assert response.status_code == 200
            assert WORDS not in response.content.decode()

    def test_nobody_searches_in_titles(self, admin: Client, conversation: Conversation):
        body = admin.get("/admin/chat/conversation/", {"q": WORDS}).content.decode()

        assert str(conversation.pk) not in body

    @pytest.mark.parametrize("page", ["conversation", "run", "modelcall", "node"])
    def test_nothing_can_be_added_there(self, admin: Client, page: str):
        assert admin.get(f"/admin/chat/{page}/add/").status_code == 403

    def test_nothing_can_be_changed_there(self, admin: Client, conversation: Conversation):
        assert admin.post(change_url(conversation), {"archived": "on"}).status_code == 403

        conversation.refresh_from_db()
        assert not conversation.archived

    def test_a_user_goes_with_the_conversations(self, admin: Client, conversation: Conversation):
        url = reverse("admin:chat_user_delete", args=[conversation.owner.pk])

        page = admin.get(url).content.decode()
        admin.post(url, {"post": "yes"})

        assert WORDS not in page
        assert not Conversation.objects.exists()


def test_each_deadline_shows_what_holds_without_it(admin: Client, settings: Any):
    settings.CONNECT_SECONDS, settings.FIRST_TOKEN_REASONING_SECONDS = 7.5, 150.0
    provider = ProviderFactory.create()

    def placeholder(name: str) -> str:
        body = admin.get(change_url(provider)).content.decode()
        [field] = [tag for tag in re.findall(r"<input[^>]*>", body) if f'name="{name}"' in tag]
        return re.findall(r'placeholder="([^"]*)"', field)[0]

    assert placeholder("connect_seconds") == "7.5"
    assert placeholder("first_token_reasoning_seconds") == "150"
    Provider.objects.update(first_token_seconds=40)
    assert placeholder("first_token_reasoning_seconds") == "40"


def test_json_fields_say_what_goes_in(admin: Client):
    model = LanguageModelFactory.create()

    assert 'as JSON: {"name": "text"}' in admin.get(change_url(model.provider)).content.decode()
    assert "A JSON list of words" in admin.get(change_url(model)).content.decode()


def test_a_model_is_not_its_own_next_one(admin: Client):
    model = LanguageModelFactory.create()
    prices = {f"prices-{name}_FORMS": "0" for name in ("TOTAL", "INITIAL", "MIN_NUM", "MAX_NUM")}
    form = {
        "provider": str(model.provider.pk),
        "name": model.name,
        "enabled": "on",
        "capabilities": "[]",
        **prices,
    }

    body = admin.post(change_url(model), form | {"next_model": str(model.pk)}).content.decode()

    assert "A model cannot be its own next one." in body
    other = LanguageModelFactory.create(next_model=model)
    assert admin.post(change_url(model), form | {"next_model": str(other.pk)}).status_code == 302
    model.refresh_from_db()
    assert model.next_model == other


class TestTelling:
    """Rows that look alike can be told from one another."""

    AT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)

    def test_attempts_of_a_call_are_listed_with_their_number_and_seconds(self, admin: Client):
        ModelCallFactory.create(started_at=self.AT, attempt=2)

        body = admin.get("/admin/chat/modelcall/").content.decode()

        assert "2026-03-04 05:06:07" in body
        assert '<td class="field-attempt">2</td>' in body

    def test_pages_are_titled_with_what_was_asked_when_and_how_it_ended(
        self, admin: Client, django_assert_num_queries: Any
    ):
        call = ModelCallFactory.create(started_at=self.AT, outcome="provider_cut")
        run = call.run
        assert run is not None
        run.model_name, run.created_at = "lab/one", self.AT
        run.save()

        assert "demo/demo, provider_cut, 2026-03-04 05:06:07" in admin.get(change_url(call)).content.decode()
        assert "lab/one, queued, 2026-03-04 05:06:07" in admin.get(change_url(run)).content.decode()
        with django_assert_num_queries(0):
            assert (str(call), str(run)) != ("", "")


def test_a_provider_page_lists_its_models(admin: Client):
    model = LanguageModelFactory.create(name="one-of-its-models")

    assert "one-of-its-models" in admin.get(change_url(model.provider)).content.decode()
    assert LanguageModel.objects.count() == 1


def test_no_page_brings_styles_or_scripts_that_the_policy_forbids(admin: Client):
    provider = ProviderFactory.create()
    for url in ("/admin/", "/admin/chat/user/", change_url(provider)):
        response = admin.get(url)
        assert "script-src 'self'" in response["Content-Security-Policy"]
        assert " style=" not in response.content.decode()
        assert "<style" not in response.content.decode()


def test_figures_of_the_ledger_that_were_estimated_are_marked(admin: Client):
    figures = {"input_tokens": 1234, "output_tokens": 56, "cost": Decimal("0.002"), "currency": "USD"}
    ModelCallFactory.create(usage_source="estimated", **figures)

    body = admin.get("/admin/chat/modelcall/").content.decode()

    assert ">~1234<" in body
    assert ">~56<" in body
    assert ">~0.002000000 USD<" in body

    ModelCall.objects.update(usage_source="reported")
    assert ">1234<" in admin.get("/admin/chat/modelcall/").content.decode()


def test_a_model_says_what_its_estimates_go_by(admin: Client):
    model = LanguageModelFactory.create(
        input_ratio=Decimal("1.084"), input_ratio_calls=200, output_ratio_calls=3
    )

    body = admin.get(change_url(model)).content.decode()

    assert "input: 1.084 (200 calls), output: 3 calls, too few to tell" in body
