"""The vendors' list prices: what the list says, by which names, and when models get them."""

from datetime import timedelta
from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Any

import msgspec
import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from chat.models import LanguageModel, Price
from chat.usage.list_prices import bundled, is_ones_own
from tests.factories import LanguageModelFactory, PriceFactory, ProviderFactory


@pytest.mark.parametrize(
    ("name", "read", "written"),
    [
        ("gpt-4.1", "2.00", "8.00"),
        ("claude-sonnet-4.5", "3.00", "15.00"),
        ("gemini-2.5-flash", "0.35", "2.50"),
        ("deepseek-v3.2", "0.14", "0.42"),
        # as sellers write them
        ("gpt-4.1-2025-04-14", "2", "8"),
        ("openai/gpt-4.1", "2", "8"),
        ("claude-sonnet-4-5", "3", "15"),
        ("claude-sonnet-4-5-20250929", "3", "15"),
        ("claude-sonnet-4-5@20250929", "3", "15"),
        ("anthropic.claude-sonnet-4-5-20250929-v1:0", "3", "15"),
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "3", "15"),
        ("models/gemini-2.5-flash", "0.35", "2.5"),
        ("gemini-2.5-flash-preview-05-20", "0.35", "2.5"),
        ("mistral-large-latest", "0.5", "1.5"),
        ("command-a-03-2025", "2.5", "10"),
        ("gpt-4-0613", "30", "60"),
        # releases that cost something else
        ("gpt-4o-2024-05-13", "5", "15"),
        ("gpt-4o-2024-08-06", "2.5", "10"),
        ("mistral-large-2411", "2", "6"),
    ],
)
def test_a_model_is_found_by_the_names_its_sellers_give_it(name: str, read: str, written: str):
    price = bundled().find(name)

    assert price is not None
    assert (price.input, price.output, price.currency) == (Decimal(read), Decimal(written), "USD")


@pytest.mark.parametrize(
    "name", ["", "my-gpt-4.1", "gpt-4.1-tuned", "ft:gpt-4.1:us:1", "deepseek-v3.2:free", "gpt-4.1-2025"]
)
def test_other_names_are_not_guessed_at(name: str):
    assert bundled().find(name) is None


def test_kinds_of_tokens_are_priced_apart():
    price = bundled().find("claude-haiku-4-5")

    assert price is not None
    assert (price.cached_input, price.cache_write) == (Decimal("0.1"), Decimal("1.25"))


@pytest.mark.parametrize("one", bundled().models, ids=lambda one: one.model)
def test_every_entry_makes_sense(one: Any):
    assert 0 < one.input <= one.output < 1000
    assert one.cached_input is None or 0 < one.cached_input < one.input
    assert one.cache_write is None or one.cache_write >= one.input
    assert one.vendor in bundled().sources
    assert bundled().find(one.model) is not None


def test_no_name_stands_twice():
    names = [one.model for one in bundled().models]

    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("url", "own"),
    [
        ("http://127.0.0.1:11434/v1", True),
        ("http://10.0.0.5:8000/v1", True),
        ("http://[::1]:8000/v1", True),
        ("http://gpu-box:8000/v1", True),
        ("http://models.internal/v1", True),
        ("https://api.deepseek.com/v1", False),
        ("https://8.8.8.8/v1", False),
        ("", False),
    ],
)
def test_what_one_runs_oneself_has_no_list_price(url: str, own: bool):
    assert is_ones_own(url) == own
    assert (bundled().find("deepseek-v3.2", url) is None) == own
    assert bundled().find("gpt-4.1", url) is not None


# --- load_prices ----------------------------------------------------------------------------------------


def load(*arguments: str) -> str:
    out = StringIO()
    call_command("load_prices", *arguments, stdout=out)
    return out.getvalue()


def model_of(name: str = "gpt-4.1", provider: str = "shop") -> LanguageModel:
    url = "https://api.example.org/v1"
    made: LanguageModel = LanguageModelFactory.create(
        name=name, provider=ProviderFactory.create(name=provider, base_url=url)
    )
    return made


def written(folder: Path, price: str) -> str:
    file = folder / "prices.json"
    file.write_bytes(
        msgspec.json.encode(
            {"currency": "EUR", "models": [{"model": "gpt-4.1", "input": price, "output": "9"}]}
        )
    )
    return str(file)


@pytest.mark.django_db
class TestLoading:
    def test_a_model_without_a_price_gets_that_of_the_list(self):
        model = model_of()

        assert load() == "shop/gpt-4.1 costs 2 / 8 USD per million tokens from now on. (list price)\n"

        price = model.price_at()
        assert price is not None
        assert (price.input, price.cached_input, price.from_list) == (Decimal(2), Decimal("0.5"), True)

    def test_twice_is_once(self):
        model_of()
        load()

        assert load() == "Nothing to change.\n"
        assert Price.objects.count() == 1

    def test_what_staff_have_set_stays_and_is_told(self):
        model = model_of()
        PriceFactory.create(model=model, input=Decimal(1))

        assert load() == "shop/gpt-4.1 keeps the price that staff have set, 1 / 8 USD.\n"
        assert Price.objects.count() == 1

    def test_also_where_it_follows_a_list_price(self):
        model = model_of()
        load()
        # The database's own clock may be coarser than ours.
        PriceFactory.create(model=model, input=Decimal(1), valid_from=timezone.now())

        load()

        assert [price.input for price in model.prices.order_by("valid_from")] == [Decimal(2), Decimal(1)]

    def test_a_list_price_is_followed_by_the_lists_next_one(self, tmp_path: Path):
        model = model_of()
        load("--file", written(tmp_path, "2.5"))

        load("--file", written(tmp_path, "3"))

        old, new = model.prices.order_by("valid_from")
        assert (old.input, old.currency) == (Decimal("2.5"), "EUR")
        assert (new.input, new.from_list) == (Decimal(3), True)

    def test_one_that_staff_have_set_for_later_stays_too(self):
        model = model_of()
        later = PriceFactory.create(
            model=model, input=Decimal(1), valid_from=timezone.now() + timedelta(days=1)
        )

        load()

        assert model.price_at(later.valid_from) == later

    def test_models_that_the_list_does_not_know_stay_as_they_are(self):
        model_of("house-model")

        assert load() == "Nothing to change.\n"

    def test_it_can_be_one_providers(self):
        model_of(provider="shop")
        model_of(provider="hall")

        assert load("--provider", "hall").startswith("hall/gpt-4.1 costs")
        assert Price.objects.count() == 1

    def test_an_unknown_provider_is_told(self):
        with pytest.raises(CommandError, match="no provider 'nobody'"):
            load("--provider", "nobody")

    @pytest.mark.parametrize("content", ["{", '{"models": [{"model": "x"}]}', '{"models": {}}'])
    def test_a_file_that_is_no_list_is_told(self, tmp_path: Path, content: str):
        file = tmp_path / "prices.json"
        file.write_text(content)

        with pytest.raises(CommandError, match="Not a list of prices"):
            load("--file", str(file))
