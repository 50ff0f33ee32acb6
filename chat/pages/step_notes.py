"""What a run's steps have noted, in words: who answered, and without what. The browser's twin: step-notes.ts.

tests/fixtures/step_notes holds both to it.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence

from chat.pages.names import shown_name

Note = Mapping[str, str]

ANSWERED = frozenset({"completed", "limit_reached"})

REASONS = {
    "provider_overloaded": "overloaded",
    "provider_timeout": "no answer in time",
    "provider_cut": "the line was cut",
    "provider_garbage": "what came was no answer",
    "provider_rejected": "request refused",
    "provider_auth": "key refused",
    "context_too_long": "too long for it",
    "rate_limited": "no free place",
    "internal": "our own fault",
}
"""Why a call did not answer, in a word or two."""

OPTIONS = {
    "temperature": "a temperature",
    "max_output_tokens": "a limit of tokens",
    "reasoning_effort": "an effort of thinking",
    "tool_choice": "a choice among tools",
    "response_schema": "a schema for its answer",
    "tools": "tools",
    "images": "images",
    "files": "files of this kind",
}
_PLURAL = frozenset({"tools", "images", "files"})


def changes(notes: Iterable[Note], model: str) -> list[Note]:
    """How one came to `model`, in order. What led elsewhere, before a run was taken up again, does not count."""
    found: list[Note] = []
    for note in reversed(list(notes)):
        if note["kind"] == "other_model" and note["model"] == model:
            found.insert(0, note)
            model = note["instead_of"]
    return found


def last_asked(notes: Iterable[Note], model: str) -> str:
    """Who is asked now in a run that began with `model`."""
    for note in notes:
        if note["kind"] == "other_model":
            model = note["model"]
    return model


def other_model_words(notes: Iterable[Note], model: str, status: str, shared: Collection[str] = ()) -> str:
    """`large did not answer (overloaded): small answered.`; nothing where the first one was not changed for another."""
    way = changes(notes, model)
    if not way:
        return ""
    models = [*(note["instead_of"] for note in way), model]
    silent = [
        f"{_name(note['instead_of'], models, shared)} did not answer ({reason(note['reason'])})"
        for note in way
    ]
    did = "answered" if status in ANSWERED else "was asked"
    return f"{', '.join(silent)}: {_name(model, models, shared)} {did}."


def dropped_words(notes: Iterable[Note], model: str, status: str) -> str:
    """`This model does not take a temperature; answered without it.`"""
    dropped: list[str] = []
    for note in notes:
        if note["kind"] == "option_dropped" and note["model"] == model and note["option"] not in dropped:
            dropped.append(note["option"])
    if not dropped:
        return ""
    words = [OPTIONS.get(option, option) for option in dropped]
    listed = " or ".join(filter(None, [", ".join(words[:-1]), words[-1]]))
    them = "them" if len(dropped) > 1 or dropped[0] in _PLURAL else "it"
    return (
        f"This model does not take {listed}; {'answered' if status in ANSWERED else 'asked'} without {them}."
    )


MODERATED = {
    "mask": "replaced something here",
    "stop": "ended the answer here",
    "block": "ended the answer here",
}
"""What a rule has done; a flag is for staff."""


def moderated_words(notes: Iterable[Note], _model: str, _status: str) -> str:
    """`The rule “Addresses” of this site replaced something here.`"""
    rules: dict[str, list[str]] = {}
    for note in notes:
        if note["kind"] == "moderation" and note["action"] in MODERATED:
            named = rules.setdefault(MODERATED[note["action"]], [])
            if note["rule"] not in named:
                named.append(note["rule"])
    return " ".join(
        f"The {'rules' if len(named) > 1 else 'rule'} {', '.join(f'“{rule}”' for rule in named)} of this site {did}."
        for did, named in rules.items()
    )


def reason(code: str) -> str:
    return REASONS.get(code, "it failed")


def _name(model: str, others: Sequence[str], shared: Collection[str]) -> str:
    """Without its provider, as long as that tells the models apart."""
    told_apart = len({shown_name(other, shared) for other in others}) == len(set(others))
    return shown_name(model, shared) if told_apart else model
