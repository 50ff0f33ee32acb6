"""Every fault of the table ends as the table promises, in every protocol, streamed and in one piece."""

from dataclasses import replace
from pathlib import Path

import pytest

import chat.exceptions
from chat.demo.asking import Attempts, model_and_fault, without_faults
from chat.demo.faults import ANSWERED, FAULTS, SOME_DELTAS, Disturb, fault_named
from chat.demo.script import NOT_UTF8, DemoRequest, Refuse, Say
from chat.exceptions import ProviderCut, ProviderError, ProviderTimeout
from chat.llm.deltas import ToolCallReady, ToolCallStarted
from chat.llm.messages import Options
from tests.demo.reading import Patience, ask, asking

SHORT_SECONDS = 0.4
DOCS = Path(__file__).resolve().parents[2] / "docs" / "demo.md"
WORDS = [f"w{index} " for index in range(50)]
PROVIDER_CODES = {
    error.code
    for error in vars(chat.exceptions).values()
    if isinstance(error, type) and issubclass(error, ProviderError) and error is not ProviderError
} - {"context_too_long"}


def words_for(fault):
    if fault.act == Disturb(Say(NOT_UTF8), resumes=True):
        return "".join(WORDS[:SOME_DELTAS]), "".join(WORDS[SOME_DELTAS:])
    return "".join(WORDS), ""


def begins_as_it_should(text, fault):
    """Faults in mid-stream leave what came before; the others leave nothing."""
    act = fault.act
    told = isinstance(act, Disturb) and act.step is not None and not act.at_once and not act.in_arguments
    return text == ("".join(WORDS[:SOME_DELTAS]) if told else "")


def test_there_are_thirty():
    assert len(FAULTS) == 30


def test_every_outcome_is_an_error_of_ours_or_the_answer():
    outcomes = {fault.outcome for fault in FAULTS.values()} | {fault.code_whole for fault in FAULTS.values()}
    assert outcomes - {ANSWERED} == PROVIDER_CODES


def test_the_documentation_lists_them_as_they_are():
    rows = [line for line in DOCS.read_text().splitlines() if line.startswith("| `fail:")]
    assert rows == [
        f"| `fail:{fault.name}` | {fault.does} | `{fault.outcome}`{f' ({fault.phase})' if fault.phase else ''} |"
        for fault in FAULTS.values()
    ]


@pytest.mark.parametrize("name", FAULTS)
async def test_a_streaming_client_ends_as_promised(upstream, dialect, name):
    fault = FAULTS[name]
    patience = replace(Patience(), **{fault.phase: SHORT_SECONDS} if fault.phase else {})
    heard = await ask(upstream, dialect, asking(f"fail:{name}"), patience)
    assert heard.ends == 1
    if fault.outcome == ANSWERED:
        before, after = words_for(fault)
        assert heard.error is None
        assert heard.finish_reason == "stop"
        assert heard.text.startswith(before)
        assert heard.text.endswith(after)
        assert ("\ufffd" in heard.text) == (after != "")
        return
    assert heard.error is not None
    assert heard.error.code == fault.outcome
    if isinstance(heard.error, ProviderTimeout):
        assert heard.error.phase == fault.phase
    if fault.phase == "total":
        assert heard.text
        assert "".join(f"w{index} " for index in range(10_000)).startswith(heard.text)
    else:
        assert begins_as_it_should(heard.text, fault)


@pytest.mark.parametrize("name", FAULTS)
async def test_a_client_that_wants_it_in_one_piece_ends_as_promised(upstream, dialect, name):
    fault = FAULTS[name]
    patience = Patience(total=SHORT_SECONDS) if fault.phase else Patience()
    heard = await ask(upstream, dialect, asking(f"fail:{name}", stream=False), patience)
    assert heard.ends == 1
    if fault.code_whole == ANSWERED:
        before, after = words_for(fault)
        assert heard.text.startswith(before)
        assert heard.text.endswith(after)
        assert heard.finish_reason == "stop"
    else:
        assert heard.error is not None
        assert heard.error.code == fault.code_whole


@pytest.mark.parametrize(
    ("name", "seconds"), [("429", 2.0), ("429-ms", 0.25), ("429-long", 3600.0), ("503", 2.0), ("529", 2.0)]
)
async def test_a_refusal_says_how_long_to_wait(upstream, dialect, name, seconds):
    heard = await ask(upstream, dialect, asking(f"fail:{name}"))
    assert heard.error is not None
    assert heard.error.retry_after_seconds == pytest.approx(seconds)


@pytest.mark.parametrize("name", ["402-quota", "429-quota"])
async def test_a_used_up_quota_is_not_to_be_retried(upstream, dialect, name):
    heard = await ask(upstream, dialect, asking(f"fail:{name}"))
    assert heard.error is not None
    assert not heard.error.retryable
    assert "no credit" in str(heard.error)


@pytest.mark.parametrize("name", ["404", "413", "418", "408", "504"])
async def test_any_other_status_ends_as_the_table_would_say(upstream, dialect, name):
    heard = await ask(upstream, dialect, asking(f"fail:{name}"))
    assert heard.error is not None
    assert heard.error.status == int(name)
    assert heard.error.code == fault_named(name).outcome


async def test_a_call_cut_in_its_arguments_is_never_ready(upstream, dialect):
    heard = await ask(upstream, dialect, asking("fail:cut-in-arguments"))
    assert any(isinstance(delta, ToolCallStarted) for delta in heard.deltas)
    assert not any(isinstance(delta, ToolCallReady) for delta in heard.deltas)
    assert isinstance(heard.error, ProviderCut)


async def test_endless_goes_on_whatever_the_limit_and_never_too_fast(upstream, dialect):
    request = asking("fail:endless", "demo-n3-r0-d0", options=Options(max_output_tokens=16))
    heard = await ask(upstream, dialect, request, Patience(total=1.5))
    assert "w16 " in heard.text
    assert len(heard.text.split()) < 1000


async def test_the_models_name_asks_for_a_fault_too(upstream, dialect):
    heard = await ask(upstream, dialect, asking("hello", model="demo-n50-r0-d0-fail:cut"))
    assert isinstance(heard.error, ProviderCut)


async def test_the_first_attempts_fail_and_the_next_is_answered(upstream, dialect):
    request = asking("fail:429x2 please")
    errors = [(await ask(upstream, dialect, request)).error for _ in range(2)]
    assert [error.code for error in errors if error] == ["provider_overloaded"] * 2
    assert (await ask(upstream, dialect, request)).text == "".join(WORDS)


async def test_conversations_count_their_attempts_apart(upstream, dialect):
    assert (await ask(upstream, dialect, asking("fail:cutx1 one"))).error is not None
    assert (await ask(upstream, dialect, asking("fail:cutx1 two"))).error is not None
    assert (await ask(upstream, dialect, asking("fail:cutx1 one"))).error is None


# --- how it is asked for ----------------------------------------------------------------------------


def asked(prompt="", model="demo", conversation=None):
    return DemoRequest(model=model, prompt=prompt, conversation=conversation)


@pytest.mark.parametrize("name", FAULTS)
def test_every_name_is_understood_in_the_message_and_in_the_model(name):
    for request in (
        asked(f"hello fail:{name}!"),
        asked(f"FAIL:{name.upper()}"),
        asked("", f"demo-fail:{name}"),
    ):
        model, found = model_and_fault(request)
        assert model == "demo"
        assert found is not None
        assert (found.fault.name, found.times) == (name, None)


@pytest.mark.parametrize("name", FAULTS)
def test_a_number_of_attempts_may_follow_any_name(name):
    for request in (asked(f"fail:{name}x12 now"), asked("", f"demo-fail:{name}x12-key:k1")):
        found = model_and_fault(request)[1]
        assert found is not None
        assert (found.fault.name, found.times) == (name, 12)


def test_a_status_that_nobody_listed_is_a_refusal():
    act = fault_named("418").act
    assert isinstance(act, Refuse)
    assert act.status == 418


def test_a_key_counts_instead_of_the_conversation():
    attempts = Attempts()
    fails = []
    for number, key in enumerate(["a", "a", "b"]):
        request = asked(f"fail:cutx1 fail-key:{key} {number}")
        found = model_and_fault(request)[1]
        assert found is not None
        fails.append(attempts.fails(found, request))
    assert fails == [True, False, True]


def test_the_whole_conversation_counts_not_its_last_message_alone():
    attempts = Attempts()
    requests = [asked("fail:cutx1", conversation=["earlier"]), asked("fail:cutx1", conversation=["other"])]
    found = model_and_fault(requests[0])[1]
    assert found is not None
    assert [attempts.fails(found, request) for request in requests] == [True, True]


def test_forgets_the_oldest_conversations():
    attempts = Attempts(most=2)
    found = model_and_fault(asked("fail:cutx1"))[1]
    assert found is not None
    assert [attempts.fails(found, asked(word)) for word in "abca"] == [True] * 4
    assert attempts.fails(found, asked("c")) is False


def test_the_answer_after_the_failures_knows_nothing_of_them():
    assert without_faults("fail:refusex2 fail-key:x.1 hello").strip() == "hello"
