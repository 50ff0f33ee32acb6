"""A model searches what its user has said and been told before; nobody else's words, and an end to it."""

import json
import tracemalloc
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chat import search
from chat.models import Conversation, Message, User
from chat.search import Search, snippet
from tests.factories import ConversationFactory, MessageFactory, ToolInvocationFactory
from tests.tools.calling import call_here
from tools.context import Caller, ToolContext

pytestmark = [pytest.mark.django_db, pytest.mark.both_columns]
NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)


def said(owner: User, *texts: str, title: str = "", hours: int = 0, **columns: Any) -> Conversation:
    """A conversation that was last used so many hours after noon."""
    made: Conversation = ConversationFactory.create(owner=owner, title=title, **columns)
    for text in texts:
        MessageFactory.create(conversation=made, text=text)
    Conversation.objects.filter(pk=made.pk).update(updated_at=NOON + timedelta(hours=hours))
    return made


def answer(user: User, query: str, *, invocation: str = "", **arguments: Any) -> dict[str, Any]:
    context = ToolContext(invocation_id=invocation, caller=Caller(user_id=str(user.pk)))
    outcome = call_here("search_conversations", context, query=query, **arguments)
    assert outcome.status == "succeeded", outcome
    told: dict[str, Any] = json.loads(outcome.text)
    return told


def titles(user: User, query: str, **arguments: Any) -> list[str]:
    return [found["title"] for found in answer(user, query, **arguments)["found"]]


def test_a_message_is_found_with_its_place_and_what_stands_around_it(alice: User):
    words = f"{'before ' * 50}the red lamp hangs here{' after' * 50}"
    made = said(alice, "Hello", words, title="Home")
    message = made.messages.order_by("-id")[0]

    (found,) = answer(alice, "lamp")["found"]

    around = found.pop("snippet")
    assert "before before the red lamp hangs here after after" in around
    assert (around[0], around[-1]) == ("…", "…")
    assert len(around) <= 2 * search.AROUND + len("…lamp…")
    assert found == {
        "title": "Home",
        "when": message.created_at.isoformat(timespec="seconds"),
        "link": f"/c/{made.pk}/",
        "message": str(message.pk),
        "said_by": "user",
    }


def test_answers_are_searched_too_but_not_what_a_model_only_thought(alice: User):
    made = said(alice, "Hello", title="Home")
    parts = [{"type": "reasoning", "text": "secret thoughts"}, {"type": "text", "text": "a loud answer"}]
    MessageFactory.create(conversation=made, role=Message.Role.ASSISTANT, parts=parts)

    assert answer(alice, "loud")["found"][0]["said_by"] == "assistant"
    assert titles(alice, "secret") == []


def test_a_title_is_found_as_well_and_the_words_may_be_in_both(alice: User):
    made = said(alice, "What does it cost?", title="A red lamp")

    assert answer(alice, "LAMP red")["found"] == [
        {"title": "A red lamp", "when": NOON.isoformat(timespec="seconds"), "link": f"/c/{made.pk}/"}
    ]
    assert answer(alice, "lamp cost")["found"][0]["snippet"] == "What does it cost?"


def test_where_the_title_has_all_words_a_message_that_has_one_of_them_is_shown(alice: User):
    said(alice, "Is this red?", "Hello", title="A red lamp")

    assert answer(alice, "lamp red")["found"][0]["snippet"] == "Is this red?"


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("the red lamp", "lamp red"),
        ("ÄRGER MIT DER STRASSE", "ärger straße"),
        ("Привет, Москва", "МОСКВА привет"),
        ("ΟΔΥΣΣΕΥΣ", "οδυσσευς"),
        ("我想订一张去北京的火车票", "北京"),
        ("我想订一张去北京的火车票", "火车 北京"),
        ("ＡＢＣ full width", "abc"),
        ("cafe\u0301 au lait", "caf\u00e9"),
        ("100 % of it", "100 %"),
        ('back\\slash and "quotes" and \'', '\\slash "quotes"'),
    ],
)
def test_case_order_and_script_do_not_matter(alice: User, text: str, query: str):
    said(alice, text, title="Found")

    assert titles(alice, query) == ["Found"]


@pytest.mark.parametrize("query", ["lamp blue", "北海", "100%", "_", "%"])
def test_all_words_have_to_be_there(alice: User, query: str):
    said(alice, "the red lamp, 北京", "a blue sofa")

    assert titles(alice, query) == []


def test_the_newest_come_first_and_no_more_than_wanted(alice: User):
    for hours in (2, 1, 3):
        said(alice, "a lamp", title=f"{hours}", hours=hours)

    assert titles(alice, "lamp") == ["3", "2", "1"]
    told = answer(alice, "lamp", limit=2)
    assert [found["title"] for found in told["found"]] == ["3", "2"]
    assert told["note"] == "These are the newest 2. There may be more, in older conversations."
    assert "note" not in answer(alice, "lamp", limit=3)


def test_a_conversation_is_told_once_by_its_newest_message(alice: User):
    said(alice, "lamp one", "lamp two", "sofa")

    assert [found["snippet"] for found in answer(alice, "lamp")["found"]] == ["lamp two"]


def test_archived_ones_are_searched(alice: User):
    said(alice, "a lamp", title="Old", archived=True)

    assert titles(alice, "lamp") == ["Old"]


def test_the_conversation_that_asks_is_left_out(alice: User):
    asking = said(alice, "Where did I speak of a lamp?", title="Now", hours=1)
    said(alice, "a lamp", title="Then")
    invocation = ToolInvocationFactory.create(run__conversation=asking)

    assert titles(alice, "lamp", invocation=str(invocation.pk)) == ["Then"]


class TestOthers:
    def test_another_users_words_and_titles_are_never_found(self, alice: User, mallory: User):
        said(alice, "the launch code is 0000", title="The launch code")

        assert answer(mallory, "launch code") == {"found": []}

    def test_somebody_elses_invocation_hides_nothing_and_shows_nothing(self, alice: User, mallory: User):
        hers = said(alice, "a lamp", title="Hers")
        said(mallory, "a lamp", title="His")
        invocation = ToolInvocationFactory.create(run__conversation=hers)

        assert titles(mallory, "lamp", invocation=str(invocation.pk)) == ["His"]

    @pytest.mark.parametrize("caller", ["", "nobody", "01a22e25-0eef-76b4-ba4c-9b3c39ddf072"])
    def test_without_a_user_there_is_nothing_to_search(self, alice: User, caller: str):
        said(alice, "a lamp")

        outcome = call_here("search_conversations", ToolContext(caller=Caller(user_id=caller)), query="lamp")

        assert (outcome.status, "nobody" in outcome.text) == ("failed", True)

    def test_nor_for_one_who_was_deactivated(self, alice: User):
        said(alice, "a lamp")
        User.objects.filter(pk=alice.pk).update(is_active=False)

        caller = Caller(user_id=str(alice.pk))
        assert call_here("search_conversations", ToolContext(caller=caller), query="lamp").status == "failed"


class TestLimits:
    def search(self, alice: User, query: str = "lamp", **more: Any) -> Search:
        arguments: dict[str, Any] = {"seconds": 5, "clock": lambda: 0.0, "each": lambda: None}
        return Search(Conversation.objects.visible_to(alice), query, **(arguments | more))

    def test_beyond_so_many_messages_it_says_what_it_has_not_read(self, alice: User, monkeypatch):
        monkeypatch.setattr(search, "AT_ONCE", 2)
        monkeypatch.setattr(search, "MOST_MESSAGES", 4)
        said(alice, "a lamp", *["sofa"] * 5, title="Long", hours=1)
        said(alice, "a lamp", title="Older")
        looking = self.search(alice)

        assert looking.newest(5) == []
        assert "the newest first: 1. There may be older ones." in looking.left_out

    def test_beyond_so_many_conversations_too(self, alice: User, monkeypatch):
        monkeypatch.setattr(search, "MOST_CONVERSATIONS", 2)
        for hours in range(3):
            said(alice, "a lamp", title=f"{hours}", hours=hours)
        looking = self.search(alice)

        assert [hit.title for hit in looking.newest(5)] == ["2", "1"]
        assert "the newest first: 2." in looking.left_out

    def test_when_its_time_is_up_it_tells_what_it_has(self, alice: User):
        for hours in range(5):
            said(alice, "a lamp", title=f"{hours}", hours=hours)
        seconds = iter(range(100))
        looking = self.search(alice, seconds=3, clock=lambda: float(next(seconds)))

        assert [hit.title for hit in looking.newest(5)] == ["4", "3"]
        assert "ended at its limit" in looking.left_out

    def test_stop_is_heard_before_each_conversation(self, alice: User):
        said(alice, "a lamp")

        def stopped() -> None:
            raise InterruptedError

        with pytest.raises(InterruptedError):
            self.search(alice, each=stopped).newest(5)

    def test_a_long_conversation_is_read_to_its_end_in_pages(self, alice: User, monkeypatch):
        monkeypatch.setattr(search, "AT_ONCE", 3)
        said(alice, "a lamp", *["sofa"] * 8)

        assert len(self.search(alice).newest(5)) == 1

    def test_only_a_few_texts_are_in_memory_at_once(self, alice: User):
        made = said(alice)
        text = "x" * 100_000
        for _ in range(200):
            MessageFactory.create(conversation=made, text=text)
        looking = self.search(alice)
        tracemalloc.start()
        try:
            looking.newest(5)
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

        # All of them are 20 MB; two pages, as they come and as they are read, are a fourth of that.
        assert most < 10_000_000

    def test_a_query_without_words_finds_nothing(self, alice: User):
        said(alice, "a lamp")

        assert self.search(alice, "   ").newest(5) == []


@pytest.mark.parametrize(
    ("text", "word", "shown"),
    [
        ("a lamp", "lamp", "a lamp"),
        ("two\n\nlines  and a lamp", "lamp", "two lines and a lamp"),
        ("ß" * 300 + "lamp", "lamp", "…" + "ß" * 100 + "lamp"),
        ("lamp" + "x" * 300, "lamp", "lamp" + "x" * 100 + "…"),
        ("İ" * 200 + " Lamp " + "y" * 200, "lamp", "…" + "İ" * 99 + " Lamp " + "y" * 99 + "…"),
    ],
)
def test_a_snippet_is_cut_around_the_word(text: str, word: str, shown: str):
    assert snippet(text, word) == shown
