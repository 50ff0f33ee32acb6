"""Rules in the admin: checked before they are saved, tried on a text; what they have found."""

import pytest
from django.test import Client

from chat.models import ModerationHit, ModerationRule, User
from tests.factories import RunFactory

ADD = "/admin/chat/moderationrule/add/"
FORM = {
    "name": "Addresses", "kind": "email", "pattern": "", "longest_match": "", "action": "mask", "label": "",
    "on_output": "on", "enabled": "on", "note": "", "try_on": "",
}  # fmt: skip


@pytest.fixture
def office(client: Client, ada: User) -> Client:
    User.objects.filter(pk=ada.pk).update(is_superuser=True)
    client.force_login(ada)
    return client


def test_a_rule_is_saved_with_the_longest_match_worked_out(office: Client):
    assert office.post(ADD, FORM).status_code == 302
    rule = ModerationRule.objects.get()
    assert (rule.longest_match, rule.on_input, rule.on_output) == (345, False, True)


def test_a_pattern_is_compiled_before_it_is_saved(office: Client):
    answer = office.post(ADD, FORM | {"kind": "regex", "pattern": "a(b"})
    assert "A ) is missing." in answer.content.decode()
    assert not ModerationRule.objects.exists()


def test_a_pattern_without_an_end_needs_its_longest_match(office: Client):
    endless = FORM | {"kind": "regex", "pattern": "a+b"}
    assert "A match has 1 to 1000 characters." in office.post(ADD, endless).content.decode()
    assert office.post(ADD, endless | {"longest_match": "50"}).status_code == 302


def test_a_rule_is_tried_on_a_text_and_not_saved(office: Client):
    answer = office.post(ADD, FORM | {"try_on": "Write to bob@example.org."})
    assert "It becomes: Write to [e-mail]." in answer.content.decode()
    answer = office.post(ADD, FORM | {"try_on": "Write to nobody."})
    assert "The rule finds nothing in this text." in answer.content.decode()
    assert not ModerationRule.objects.exists()


def test_hits_are_listed_with_their_run_in_few_queries(office: Client, django_assert_max_num_queries):
    run = RunFactory.create()
    for number in range(30):
        ModerationHit.objects.create(
            rule_name="Addresses", action="mask", where="output", part="text", user=run.user, run=run,
            message=run.message, step=1, position=number, length=10,
        )  # fmt: skip
    with django_assert_max_num_queries(14):
        page = office.get("/admin/chat/moderationhit/").content.decode()
    assert str(run.pk) in page
    assert office.get(f"/admin/chat/moderationhit/?run__id__exact={run.pk}").status_code == 200
    key = ModerationHit.objects.values_list("pk", flat=True)[0]
    assert office.get(f"/admin/chat/moderationhit/{key}/change/").status_code == 200


def test_hits_are_a_record(office: Client):
    assert office.get("/admin/chat/moderationhit/add/").status_code == 403
