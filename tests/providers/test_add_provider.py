"""`manage.py add_provider` and the rows behind it."""

from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from chat.actions.providers import ensure_demo_provider, prepare_first_start
from chat.models import LanguageModel, Price, Provider

pytestmark = pytest.mark.django_db
HERE = "http://127.0.0.1:4000/v1"


def add(*arguments: str, name: str = "lab", base_url: str = HERE) -> str:
    out = StringIO()
    call_command("add_provider", name, "--base-url", base_url, *arguments, stdout=out)
    return out.getvalue()


def test_it_adds_a_provider_with_its_models():
    add("--dialect", "openai_chat", "--key-env", "LAB_KEY", "--model", "one", "two", "--model", "three")

    provider = Provider.objects.get(name="lab")
    assert (provider.dialect, provider.base_url, provider.key_env) == ("openai_chat", HERE, "LAB_KEY")
    assert sorted(provider.models.values_list("name", flat=True)) == ["one", "three", "two"]


def test_it_says_what_it_did():
    said = add("--model", "one", "--price", "one=1.5/2")

    assert "Added the provider lab (openai_chat, http://127.0.0.1:4000/v1)." in said
    assert "Added the model lab/one." in said
    assert "lab/one costs 1.5 / 2 USD per million tokens" in said


def test_running_it_twice_changes_nothing_more():
    arguments = ("--key-env", "LAB_KEY", "--model", "one", "gpt-4o", "--price", "one=1/2")
    add(*arguments)
    before = (
        list(Provider.objects.values()),
        list(LanguageModel.objects.values()),
        list(Price.objects.values()),
    )

    said = add(*arguments)

    assert said == "The provider lab was there already.\n"
    after = (
        list(Provider.objects.values()),
        list(LanguageModel.objects.values()),
        list(Price.objects.values()),
    )
    assert after == before


def test_it_changes_what_differs_and_keeps_the_models():
    add("--model", "one")

    said = add("--model", "two", base_url="https://elsewhere.example/v1/")

    assert "base_url is https://elsewhere.example/v1." in said
    assert Provider.objects.get().models.count() == 2


def test_without_key_env_the_key_stays():
    add("--key-env", "LAB_KEY", "--model", "one")

    add("--model", "one")

    assert Provider.objects.get().key_env == "LAB_KEY"


def test_a_model_switched_off_stays_off():
    add("--model", "one")
    LanguageModel.objects.update(enabled=False)

    add("--model", "one")

    assert not LanguageModel.objects.get().enabled


def test_a_price_is_split_at_the_last_equals_sign():
    add("--model", "a=b/c", "--price", "a=b/c=0.000001/2")

    price = Price.objects.get()
    assert (price.model.name, price.input, price.output) == ("a=b/c", Decimal("0.000001"), Decimal(2))


def test_a_changed_price_is_a_new_row_and_the_old_one_stays():
    add("--model", "one", "--price", "one=1/2")

    add("--price", "one=1/3")

    old, new = Price.objects.order_by("valid_from")
    assert [old.output, new.output] == [Decimal(2), Decimal(3)]
    current = LanguageModel.objects.get().price_at()
    assert current == new


def test_a_price_may_name_a_model_that_was_there_before():
    add("--model", "one")

    add("--price", "one=0/0")

    assert Price.objects.get().input == 0


def test_a_model_of_the_catalogue_gets_its_window_and_list_price():
    said = add("--model", "anthropic/claude-sonnet-4-5")

    model = LanguageModel.objects.get()
    price = Price.objects.get()
    assert model.context_window == 200_000
    assert "vision" in model.capabilities
    assert (price.input, price.cached_input, price.cache_write) == (
        Decimal(3),
        Decimal("0.3"),
        Decimal("3.75"),
    )
    assert "(list price)" in said


def test_a_price_that_was_given_is_not_replaced_by_the_list_price():
    add("--model", "gpt-4o", "--price", "gpt-4o=1/1")

    add("--model", "gpt-4o")

    assert Price.objects.get().input == 1


def test_an_unknown_model_has_no_price():
    add("--model", "one")

    assert LanguageModel.objects.get().price_at() is None


@pytest.mark.parametrize(
    "url",
    [
        "",
        "here",
        "ftp://host/v1",
        "http://",
        "http:///v1",
        "http://host:99999/v1",
        "http://host/v1?key=1",
        "http://user:secret@host/v1",
        "http://host/v1/chat/completions",
        "http://ho st/v1",
        "demo://x",
        "javascript:alert(1)",
    ],
)
def test_a_bad_base_url_is_refused(url: str):
    with pytest.raises(CommandError, match="URL"):
        add("--model", "one", base_url=url)
    assert not Provider.objects.exists()


@pytest.mark.parametrize(
    "price", ["one", "one=", "one=1", "=1/2", "one=a/b", "one=-1/2", "one=NaN/1", "one=1/Infinity", "one=1/2/3",
              "one=0.0000001/1", "one=1000000/1"]
)  # fmt: skip
def test_a_bad_price_is_refused_and_nothing_is_added(price: str):
    with pytest.raises(CommandError, match="price"):
        add("--model", "one", "--price", price)
    assert not Provider.objects.exists()


def test_a_price_for_a_model_it_does_not_have_is_refused_and_nothing_is_added():
    with pytest.raises(CommandError, match="no model 'two'"):
        add("--model", "one", "--price", "two=1/2")
    assert not Provider.objects.exists()


def test_an_unknown_dialect_is_refused():
    with pytest.raises(CommandError, match="No such dialect: 'morse'"):
        add("--model", "one", "--dialect", "morse")


def test_a_new_provider_without_models_is_refused():
    with pytest.raises(CommandError, match="at least one model"):
        add()


@pytest.mark.parametrize("name", ["with space", "a/b", "", "x" * 61])
def test_a_bad_name_is_refused(name: str):
    with pytest.raises(CommandError):
        add("--model", "one", name=name)
    assert not Provider.objects.exists()


@pytest.mark.parametrize("model", ["", " ", "x" * 141, "a\nb"])
def test_a_bad_model_name_is_refused(model: str):
    with pytest.raises(CommandError, match="Not a model's name"):
        add("--model", model)


def test_the_demo_provider_takes_any_counted_model():
    ensure_demo_provider()

    add("--model", "demo-n500-r50-d200", name="demo", base_url="demo:")

    assert LanguageModel.objects.named("demo/demo-n500-r50-d200").enabled


def test_the_demo_provider_is_made_once_and_costs_nothing():
    prepare_first_start()
    prepare_first_start()

    model = LanguageModel.objects.get()
    assert (model.full_name, model.provider.base_url, model.enabled) == ("demo/demo", "demo:", True)
    assert Price.objects.get().output == 0


def test_a_demo_provider_that_was_switched_off_stays_off():
    prepare_first_start()
    Provider.objects.update(enabled=False)

    prepare_first_start()

    assert not Provider.objects.get().enabled
