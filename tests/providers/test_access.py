"""Models that are kept for groups: whom they are offered to, and what happens when that changes."""

import uuid

import pytest
from django.contrib.auth.models import Group

from chat.actions.runs import StartRequest, start_runs
from chat.engine.history import plan_to_go_on
from chat.engine.offers import REMEMBER_SECONDS, Offers, offer_of
from chat.exceptions import ModelNotAvailable
from chat.models import LanguageModel, Message, Run, User
from chat.pages.presenting import offered_models
from tests.factories import LanguageModelFactory, MessageFactory, ProviderFactory, RunFactory

pytestmark = [pytest.mark.django_db, pytest.mark.both_columns]


@pytest.fixture
def lab(db: None) -> Group:
    return Group.objects.create(name="lab")


@pytest.fixture
def kept(lab: Group) -> LanguageModel:
    """For the lab, of which Alice is."""
    model = LanguageModelFactory.create(name="kept")
    model.groups.add(lab)
    return model


@pytest.fixture
def alice(alice: User, lab: Group) -> User:
    alice.groups.add(lab)
    return alice


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def names(user: User) -> list[str]:
    return sorted(model.name for model in LanguageModel.objects.available_to(user))


def test_a_model_without_groups_is_everybodys_and_another_its_groups(kept, alice, mallory, ada):
    LanguageModelFactory.create(name="open")
    assert names(alice) == ["kept", "open"]
    assert names(mallory) == names(ada) == ["open"]


def test_a_model_of_two_groups_is_offered_once(kept, alice):
    both = Group.objects.create(name="both")
    kept.groups.add(both)
    alice.groups.add(both)
    assert names(alice) == ["kept"]


def test_the_picker_shows_what_somebody_may_use(kept, alice, mallory):
    assert [model["name"] for model in offered_models(alice)] == ["kept"]
    assert offered_models(mallory) == []


def test_the_page_falls_back_on_a_model_that_is_still_offered(client, kept, alice, lab):
    LanguageModelFactory.create(name="open", provider=ProviderFactory.create(name="zzz"))
    question = MessageFactory.create(conversation__owner=alice)
    answer = MessageFactory.create(
        conversation=question.conversation, parent=question, role="assistant", model=kept.full_name
    )
    question.chosen_child = answer
    question.save()
    question.conversation.chosen_root = question
    question.conversation.save()
    client.force_login(alice, backend="django.contrib.auth.backends.ModelBackend")
    page = f"/c/{question.conversation_id}/"
    assert client.get(page).context["model"] == kept.full_name
    alice.groups.remove(lab)
    assert client.get(page).context["model"] == "zzz/open"


def test_one_that_is_not_ours_is_refused_as_if_there_were_none(kept, mallory):
    offers = Offers(Clock())
    refusals = []
    for name in (kept.full_name, "kept", "absent/model"):
        with pytest.raises(ModelNotAvailable) as refused:
            offers.named(mallory, name)
        refusals.append((str(refused.value), refused.value.field, refused.value.detail))
    assert len(set(refusals)) == 1


def test_a_bare_name_is_that_of_the_one_that_somebody_may_use(kept, mallory):
    other = LanguageModelFactory.create(name="kept")
    assert Offers(Clock()).named(mallory, "kept").full_name == other.full_name


def test_access_that_is_withdrawn_counts_within_a_second(kept, alice, lab):
    clock = Clock()
    offers = Offers(clock)
    offers.named(alice, kept.full_name)
    alice.groups.remove(lab)
    clock.now += REMEMBER_SECONDS
    with pytest.raises(ModelNotAvailable):
        offers.named(alice, kept.full_name)


def test_what_is_remembered_of_one_is_no_answer_for_another(kept, alice, mallory):
    offers = Offers(Clock())
    offers.named(alice, kept.full_name)
    with pytest.raises(ModelNotAvailable):
        offers.named(mallory, kept.full_name)


def test_a_look_for_an_offer_asks_as_often_as_before_there_were_groups(
    kept, alice, django_assert_num_queries
):
    with django_assert_num_queries(2):
        Offers(Clock()).named(alice, kept.full_name)


def test_nobody_falls_back_on_a_model_that_is_not_theirs(kept, alice, mallory):
    first = LanguageModelFactory.create(name="first", next_model=kept)
    assert offer_of(first, mallory).following is None
    following = offer_of(first, alice).following
    assert following is not None
    assert following.model == kept.pk


def test_the_chain_ends_at_one_that_is_not_theirs(kept, mallory):
    kept.next_model = LanguageModelFactory.create(name="last")
    kept.save()
    first = LanguageModelFactory.create(name="first", next_model=kept)
    assert offer_of(first, mallory).following is None


def test_a_run_that_was_begun_goes_on_and_falls_back_on_nothing_that_was_taken(kept, alice, lab):
    other = LanguageModelFactory.create(name="other")
    other.groups.add(lab)
    kept.next_model = other
    kept.save()
    run = RunFactory.create(conversation__owner=alice, model=kept, start_key=uuid.uuid4())
    assert plan_to_go_on(run).following is not None
    alice.groups.remove(lab)
    plan = plan_to_go_on(run)
    assert plan.model_key == kept.pk
    assert plan.following is None


def test_a_model_whose_groups_are_deleted_is_nobodys_and_not_everybodys(kept, lab, mallory):
    both = LanguageModelFactory.create(name="both")
    both.groups.set([lab, Group.objects.create(name="other")])
    LanguageModelFactory.create(name="open")
    lab.delete()
    assert names(mallory) == ["open"]
    assert dict(LanguageModel.objects.values_list("name", "enabled")) == {
        "kept": False,
        "both": True,
        "open": True,
    }
    Group.objects.all().delete()
    assert names(mallory) == ["open"]


@pytest.mark.parametrize("again", [False, True], ids=["a question", "one more answer"])
def test_of_several_models_one_that_is_not_theirs_is_enough_to_begin_nothing(kept, mallory, office, again):
    office.offers = Offers(Clock())
    open_ = LanguageModelFactory.create(name="open")
    question = MessageFactory.create(conversation__owner=mallory)
    request = StartRequest(
        key=uuid.uuid4(),
        models=(open_.full_name, kept.full_name),
        conversation=question.conversation_id,
        parent=question.pk if again else None,
        content=None if again else [{"type": "text", "text": "hello"}],
    )
    with pytest.raises(ModelNotAvailable):
        start_runs(mallory, request, office)
    assert not Run.objects.exists()
    assert Message.objects.count() == 1
