"""Asking a provider what it offers, from the command line and from the admin."""

import asyncio
import io
import threading
from collections.abc import Iterator
from decimal import Decimal

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from chat.admin import provider_models
from chat.demo import start_demo_upstream
from chat.exceptions import ProviderRejected
from chat.models import LanguageModel, Price, Provider, User

pytestmark = pytest.mark.django_db


@pytest.fixture
def demo_url() -> Iterator[str]:
    """A demo upstream on a loop of its own: commands and the admin bring theirs."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    demo = asyncio.run_coroutine_threadsafe(start_demo_upstream(), loop).result(10)
    yield demo.base_url
    asyncio.run_coroutine_threadsafe(demo.close(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def provider_at(base_url: str, *names: str) -> Provider:
    provider = Provider.objects.create(name="lab", base_url=base_url)
    for name in names:
        LanguageModel.objects.create(provider=provider, name=name)
    return provider


def probe(*arguments: str) -> str:
    out = io.StringIO()
    call_command("probe_provider", "lab", *arguments, stdout=out)
    return out.getvalue()


def test_the_models_are_listed_and_one_says_hello(demo_url: str):
    model = provider_at(demo_url, "demo").models.get()
    Price.objects.create(model=model, input=Decimal(2), output=Decimal(8), currency="EUR")
    said = probe()
    assert "* demo\n" in said
    assert "hello to lab/demo: first token after" in said
    assert "EUR" in said


def test_the_built_in_provider_is_asked_too():
    provider_at("demo:", "demo")
    assert "price unknown" in probe()


@pytest.mark.parametrize("dialect", ["openai_responses", "anthropic_messages"])
def test_each_protocol_is_asked_its_way(demo_url: str, dialect: str):
    url = demo_url.removesuffix("/v1") if dialect == "anthropic_messages" else demo_url
    provider = provider_at(url, "demo")
    Provider.objects.filter(pk=provider.pk).update(dialect=dialect)
    assert "first token after" in probe()


def test_what_is_wrong_is_said(demo_url: str):
    out = io.StringIO()
    provider_at(demo_url, "demo-fail:401")
    with pytest.raises(CommandError):
        call_command("probe_provider", "lab", stdout=out)
    assert "provider_auth" in out.getvalue()


def test_a_provider_that_is_not_there_is_named(capsys: pytest.CaptureFixture[str]):
    provider_at("http://127.0.0.1:1/v1", "demo")
    with pytest.raises(CommandError):
        call_command("probe_provider", "lab")
    assert capsys.readouterr().out.count("provider_cut") == 2


def test_an_unknown_provider_is_refused():
    with pytest.raises(CommandError, match="no provider"):
        probe()


class TestAdmin:
    def act(self, client: Client, user: User, provider: Provider, **more: object):
        client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
        form = {"action": "add_models", "_selected_action": [str(provider.pk)], **more}
        return client.post("/admin/chat/provider/", form, follow=True)

    def test_it_lists_what_is_offered(self, client: Client, ada: User, demo_url: str):
        page = self.act(client, ada, provider_at(demo_url, "demo"))
        assert 'value="demo" checked disabled' in page.content.decode()

    def test_it_adds_the_chosen_ones_with_what_is_known_of_them(
        self, client: Client, ada: User, demo_url: str
    ):
        provider = provider_at(demo_url)
        self.act(client, ada, provider, apply="yes", models=["gpt-4o", "mine"])
        known, unknown = provider.models.order_by("name")
        assert (known.name, known.context_window, known.price_at() is not None) == ("gpt-4o", 128_000, True)
        assert (unknown.name, unknown.context_window, unknown.price_at()) == ("mine", None, None)

    def test_a_provider_that_does_not_answer_is_an_error_on_the_page(self, client: Client, ada: User):
        page = self.act(client, ada, provider_at("http://127.0.0.1:1/v1"))
        assert "could not be reached" in page.content.decode()

    def test_what_staff_may_read_of_a_refusal_is_said_without_the_key(
        self, client: Client, ada: User, monkeypatch: pytest.MonkeyPatch
    ):
        provider = provider_at("http://127.0.0.1:9/v1")
        provider.set_key("a-key-of-the-lab")
        provider.save()

        async def refused(_provider: Provider) -> list[str]:
            raise ProviderRejected(detail="HTTP 404: a-key-of-the-lab knows no such page")

        monkeypatch.setattr(provider_models, "listed_models", refused)
        page = self.act(client, ada, provider).content.decode()
        assert "Asked lab: The provider refused the request. [HTTP 404: " in page
        assert "knows no such page]" in page
        assert "a-key-of-the-lab" not in page
