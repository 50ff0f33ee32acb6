"""Finding models by name, keeping keys."""

import pytest
from django.test.utils import override_settings

from chat.exceptions import ModelNotAvailable, ProviderAuth
from chat.models import LanguageModel, Provider, User
from tests.factories import LanguageModelFactory, ProviderFactory

pytestmark = pytest.mark.django_db
KEY = "sk-never-shown-again"


def test_a_model_is_found_by_its_full_name():
    model = LanguageModelFactory.create(provider__name="lab", name="one")

    assert LanguageModel.objects.named("lab/one") == model


def test_a_bare_name_finds_the_only_model_that_has_it():
    model = LanguageModelFactory.create(name="one")

    assert LanguageModel.objects.named("one") == model


def test_a_bare_name_of_two_providers_finds_neither():
    LanguageModelFactory.create(name="one")
    LanguageModelFactory.create(name="one")

    with pytest.raises(ModelNotAvailable):
        LanguageModel.objects.named("one")


@pytest.mark.parametrize("asked", ["router/openai/gpt-5", "openai/gpt-5"])
def test_a_name_may_hold_slashes(asked: str):
    model = LanguageModelFactory.create(provider__name="router", name="openai/gpt-5")

    assert LanguageModel.objects.named(asked) == model


def test_a_full_name_wins_over_a_bare_name_that_looks_like_it():
    LanguageModelFactory.create(provider__name="router", name="openai/gpt-5")
    direct = LanguageModelFactory.create(provider__name="openai", name="gpt-5")

    assert LanguageModel.objects.named("openai/gpt-5") == direct


@pytest.mark.parametrize("asked", ["", "/", "nothing", "lab/nothing", "nowhere/one", "LAB/one"])
def test_other_names_find_nothing(asked: str):
    LanguageModelFactory.create(provider__name="lab", name="one")

    with pytest.raises(ModelNotAvailable):
        LanguageModel.objects.named(asked)


def test_what_is_switched_off_is_not_available(alice: User):
    LanguageModelFactory.create(enabled=False)
    LanguageModelFactory.create(provider__enabled=False)
    there = LanguageModelFactory.create()

    assert list(LanguageModel.objects.available_to(alice)) == [there]


def stored_with_key() -> Provider:
    provider = ProviderFactory.build()
    provider.set_key(KEY)
    provider.save()
    return Provider.objects.get()


def test_a_pasted_key_comes_back_from_the_database():
    assert stored_with_key().read_key() == KEY


def test_the_database_does_not_hold_the_key_itself():
    assert KEY.encode() not in bytes(stored_with_key().key_encrypted)


def test_a_key_survives_the_rotation_of_the_secret_key(settings):
    provider = stored_with_key()

    with override_settings(SECRET_KEY="a new one", SECRET_KEY_FALLBACKS=[settings.SECRET_KEY]):
        assert provider.read_key() == KEY


def test_a_key_that_cannot_be_decrypted_is_an_error_and_not_an_empty_key():
    provider = stored_with_key()

    with override_settings(SECRET_KEY="another", SECRET_KEY_FALLBACKS=[]), pytest.raises(ProviderAuth):
        provider.read_key()


def test_a_key_named_by_its_variable_is_read_when_it_is_needed(monkeypatch: pytest.MonkeyPatch):
    provider = ProviderFactory.build(key_env="LAB_KEY")
    monkeypatch.setenv("LAB_KEY", KEY)

    assert provider.read_key() == KEY


def test_the_line_end_of_a_copied_key_is_no_part_of_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LAB_KEY", f" {KEY}\r\n")
    pasted = ProviderFactory.build()
    pasted.set_key(f"{KEY}\n")

    assert ProviderFactory.build(key_env="LAB_KEY").read_key() == KEY
    assert pasted.read_key() == KEY


def test_a_variable_that_is_not_set_is_an_error_that_names_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("LAB_KEY", raising=False)

    with pytest.raises(ProviderAuth) as caught:
        ProviderFactory.build(key_env="LAB_KEY").read_key()
    assert "LAB_KEY" in caught.value.detail


def test_a_provider_may_need_no_key():
    assert ProviderFactory.build().read_key() == ""
