"""What a model is called on a page. The browser's twin: names.ts."""

from collections import Counter
from collections.abc import Collection, Iterable


def bare_name(model: str) -> str:
    """`provider/org/model` without the provider."""
    return model.split("/", 1)[-1]


def shared_names(models: Iterable[str]) -> frozenset[str]:
    """The bare names that several of these models, given with their providers, have."""
    return frozenset(name for name, count in Counter(map(bare_name, set(models))).items() if count > 1)


def shown_name(model: str, shared: Collection[str] = ()) -> str:
    """Without its provider, as long as that tells it from the others that are offered."""
    bare = bare_name(model)
    return model if bare in shared else bare
