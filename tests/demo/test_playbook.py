"""Which script a request gets."""

import pytest

from chat.demo.answers import answer_for, pieces
from chat.demo.faults import SOME_DELTAS
from chat.demo.pictures import Picture
from chat.demo.playbook import MAX_DELTAS, MODELS, play_for
from chat.demo.script import Cut, Decline, DemoRequest, Garbage, Hang, Pace, Refuse, Say, Script, Think


def asked(prompt: str = "", model: str = "demo", **more) -> DemoRequest:
    return DemoRequest(model=model, prompt=prompt, **more)


def script_for(prompt: str = "", model: str = "demo") -> Script:
    script = play_for(asked(prompt, model))
    assert isinstance(script, Script)
    return script


def test_the_models_name_sets_count_and_pace():
    script = script_for(model="demo-n500-r50-d200")
    steps = list(script.steps)
    assert script.pace == Pace(per_second=50, first_ms=200)
    assert len(steps) == 500
    assert steps[0] == Say("w0 ")
    assert steps[499] == Say("w499 ")


def test_deltas_are_due_at_absolute_times():
    pace = Pace(per_second=50, first_ms=200)
    assert pace.due_seconds(0) == pytest.approx(0.2)
    assert pace.due_seconds(50) == pytest.approx(1.2)


def test_no_pace_means_everything_is_due_at_once():
    assert Pace(per_second=0, first_ms=30).due_seconds(9999) == pytest.approx(0.03)


def test_the_count_is_bounded():
    assert sum(1 for _ in script_for(model="demo-n9999999-r0-d0").steps) == MAX_DELTAS


@pytest.mark.parametrize("model", MODELS)
def test_every_listed_model_answers(model):
    assert isinstance(play_for(asked("hello", model)), Script)


@pytest.mark.parametrize("model", ["gpt-4", "demo-", "demo-n5", "demo-n5-r0-d0-x", "xdemo-n5-r0-d0"])
def test_an_unknown_model_is_refused_with_404(model):
    refusal = play_for(asked("hello", model))
    assert isinstance(refusal, Refuse)
    assert refusal.status == 404


@pytest.mark.parametrize(
    ("prompt", "sign"),
    [
        ("hello there", "Hello!"),
        ("a table, please", "| Planet |"),
        ("Write code", "def primes_below"),
        ("tell me a long story", "## Chapter 7"),
        ("说中文", "脚本回答"),
        ("answer in Chinese", "脚本回答"),
        ("think first", "**391**"),
        ("all the emoji", "👩‍👩‍👧‍👦"),
        ("anything else", "## A scripted answer"),
    ],
)
def test_a_word_chooses_the_answer(prompt, sign):
    assert sign in answer_for(asked(prompt)).text


@pytest.mark.parametrize("prompt", ["hello", "table", "code", "long", "think", "unicode", "else"])
def test_every_answer_says_that_it_is_no_language_model(prompt):
    text = answer_for(asked(prompt)).text
    assert "language model" in text
    assert "no" in text


def test_a_part_of_a_word_chooses_nothing():
    assert answer_for(asked("encoded tablets belong to Othello")).text.startswith("## A scripted answer")


def test_the_long_answer_is_several_kilobytes():
    assert 4000 < len(answer_for(asked("long")).text) < 10_000


def test_the_tour_quotes_the_question_and_counts_the_turn():
    text = answer_for(asked("What is `this`?\nmore", turn=3)).text
    assert "message 3" in text
    assert "`What is 'this'?`" in text


def test_reasoning_comes_before_the_answer():
    kinds = [type(step) for step in script_for("think").steps]
    thoughts = kinds.count(Think)
    assert thoughts > 0
    assert kinds == [Think] * thoughts + [Say] * (len(kinds) - thoughts)


@pytest.mark.parametrize("prompt", ["hello", "table", "code", "long", "中文", "think", "unicode", "else"])
def test_the_pieces_of_an_answer_make_the_answer(prompt):
    text = answer_for(asked(prompt)).text
    cut = pieces(text)
    assert "".join(cut) == text
    assert max(len(piece.strip()) for piece in cut) <= 8


def test_images_are_described_with_a_box_each():
    text = answer_for(asked("what is this?", pictures=(Picture((640, 480)), Picture()))).text
    assert "**2 images**" in text
    assert "640 × 480 pixels: the middle of the picture [160, 120, 480, 360]" in text
    assert "[250, 250, 750, 750]" in text


def test_what_else_is_asked_beside_an_image_is_answered_too():
    text = answer_for(asked("hello", pictures=(Picture(),))).text
    assert "**one image**" in text
    assert "Hello!" in text


def test_a_refusal_on_request_is_said_as_one():
    steps = list(script_for("please refuse this").steps)
    said = [step.text for step in steps if isinstance(step, Decline)]
    assert len(said) == len(steps)
    assert "".join(said).startswith("I refuse")


@pytest.mark.parametrize("status", [400, 401, 429, 500, 529])
def test_a_status_on_request_by_message_and_by_model(status):
    for request in (asked(f"please fail:{status} now"), asked("hello", f"demo-n5-r0-d0-fail:{status}")):
        refusal = play_for(request)
        assert isinstance(refusal, Refuse)
        assert refusal.status == status


def test_a_429_says_when_to_come_back():
    refusal = play_for(asked("fail:429"))
    assert isinstance(refusal, Refuse)
    assert refusal.headers == {"Retry-After": "2"}


@pytest.mark.parametrize(("fault", "step"), [("cut", Cut()), ("hang", Hang()), ("garbage", Garbage())])
def test_a_fault_comes_after_some_deltas(fault, step):
    for script in (script_for(f"hello fail:{fault}"), script_for(model=f"demo-n50-r0-d0-fail:{fault}")):
        steps = list(script.steps)
        assert steps.index(step) == SOME_DELTAS
        assert all(isinstance(before, Say) for before in steps[:SOME_DELTAS])


def test_hang_first_says_nothing_at_all():
    assert list(script_for("fail:hang-first").steps) == [Hang()]


@pytest.mark.parametrize("prompt", ["FAIL:cut", "`fail:cut`", "hello, fail:cut."])
def test_a_fault_may_be_written_as_people_write(prompt):
    assert Cut() in list(script_for(prompt).steps)


@pytest.mark.parametrize(
    "prompt", ["fail: it", "nofail:cut", "fail:cutter", "fail:200", "never fail", "fail:cut-up"]
)
def test_what_only_looks_like_a_fault_is_answered(prompt):
    assert all(isinstance(step, Say) for step in script_for(prompt).steps)
