"""LiteLLM between our dialects and the protocols of others: what it can translate, it has understood."""

import pytest
from msgspec.structs import replace

from tests.interop.kinds import KINDS
from tests.interop.test_requests import DIALECTS, ask

pytestmark = pytest.mark.interop

MODELS = ("via-openai", "via-anthropic", "via-gemini")

_NO_RESULTS = "aimock 1.43 does not read the results that LiteLLM writes for Gemini"
NOT_BY_GEMINI = {
    "parallel results": _NO_RESULTS,
    "thoughts and results": _NO_RESULTS,
    "a long system text": "LiteLLM keeps marked texts in Gemini's cache, which aimock 1.43 has not",
    "calls": "LiteLLM 1.106 glues Gemini's parallel calls together in the Messages protocol",
}
"""The first two in all dialects, the others in the one that has marks and such blocks."""


def _can(dialect: str, model: str, name: str) -> bool:
    reason = NOT_BY_GEMINI.get(name) if model == "via-gemini" else None
    return reason is None or (reason != _NO_RESULTS and dialect != "anthropic_messages")


CASES = [
    (dialect, model, name)
    for dialect in DIALECTS
    for model in MODELS
    for name in KINDS
    if _can(dialect, model, name)
]


@pytest.mark.parametrize(("dialect", "model", "name"), CASES)
async def test_litellm_accepts_and_answers(litellm: str, dialect: str, model: str, name: str) -> None:
    kind = KINDS[name]
    heard = await ask(litellm, dialect, replace(kind.request, model=model))
    assert heard.text == kind.text
    assert tuple(name for name, _ in heard.calls) == kind.calls
