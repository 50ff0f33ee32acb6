"""What models cost, by the vendors' list: given where there is no price, followed where it has changed."""

from collections.abc import Iterable

from django.db import transaction
from django.utils import timezone

from chat.models import LanguageModel, Price
from chat.usage.list_prices import PriceFile
from chat.usage.pricing import PriceList


@transaction.atomic
def give_list_prices(models: Iterable[LanguageModel], prices: PriceFile) -> list[str]:
    """Says in sentences what it did. What staff have set stays; doing it twice is doing it once.

    A price that came from the list is followed by a new one, from now on, where the list says something else today.
    """
    said: list[str] = []
    for model in models:
        listed = prices.find(model.name, model.provider.base_url)
        if listed is None:
            continue
        current = model.price_at()
        if current is None or current.from_list:
            said += [f"{line} (list price)" for line in set_price(model, listed, from_list=True)]
        elif PriceList.of(current) != listed:
            said.append(f"{model.full_name} keeps the price that staff have set, {current}.")
    return said


def set_price(model: LanguageModel, price: PriceList, *, from_list: bool = False) -> list[str]:
    """From now on; nothing where it costs as much already."""
    now = timezone.now()
    current = model.price_at(now)
    if current and PriceList.of(current) == price:
        return []
    row = Price.objects.create(
        model=model,
        valid_from=now,
        currency=price.currency,
        input=price.input,
        output=price.output,
        cached_input=price.cached_input,
        cache_write=price.cache_write,
        reasoning=price.reasoning,
        from_list=from_list,
    )
    return [f"{model.full_name} costs {row} per million tokens from now on."]
