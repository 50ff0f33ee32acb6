"""Every route, asked by everybody it is not for: there is nothing, or a door, and not a byte of what is Alice's.

The routes are those of the URLconf and of the REST API; what each must say stands in `rows.py`.
"""

import json
import re
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from chat.models import User
from tests.api.routes import routes as rest_routes
from tests.factories import ApiTokenFactory, UserFactory
from tests.isolation.rows import (
    ABSENT,
    ADMIN,
    COMMANDS,
    HERS,
    LOBBY,
    OFFICE,
    OPEN,
    OWN,
    PAGES,
    REST,
    SIGNED,
    Row,
)
from tests.isolation.world import World, world_of

pytestmark = [pytest.mark.django_db, pytest.mark.both_columns]

BACKEND = "django.contrib.auth.backends.ModelBackend"
USUAL = (
    "",
    "add/",
    "<path:object_id>/history/",
    "<path:object_id>/delete/",
    "<path:object_id>/change/",
    "<path:object_id>/",
)
"""What every `ModelAdmin` has."""
HER_ROWS = {
    "conversation": "conversation", "run": "run", "toolinvocation": "invocation", "attachment": "attachment",
    "user": "owner", "apitoken": "token", "webhookendpoint": "endpoint", "webhookdelivery": "delivery",
    "modelcall": "call", "wirerecord": "record",
}  # fmt: skip
CATCH_ALL = "admin/(?P<url>.*)$"


def patterns(resolver: Any, prefix: str = "") -> Iterator[str]:
    for one in resolver.url_patterns:
        path = prefix + str(one.pattern)
        if isinstance(one, URLResolver):
            yield from patterns(one, path)
        elif isinstance(one, URLPattern):
            yield path


def usual_rows() -> dict[str, Row]:
    found = {}
    for model in admin.site._registry:
        key = HER_ROWS.get(model._meta.model_name or "", ABSENT)
        for path in USUAL:
            keys = {"object_id": key} if "object_id" in path else {}
            found[f"admin/{model._meta.app_label}/{model._meta.model_name}/{path}"] = Row(OFFICE, keys)
        found[f"admin/{model._meta.app_label}/"] = Row(OFFICE)
    return found


ROWS = {**usual_rows(), **ADMIN, **PAGES}


@pytest.fixture
def world(alice: User) -> World:
    return world_of(alice)


# --- there is a row for each ----------------------------------------------------------------------------


def test_each_page_has_a_row():
    paths = {path for path in patterns(get_resolver()) if not path.startswith("api/v1/")}
    regular = {path for path in paths if path.startswith("admin/^")} | {CATCH_ALL}
    missing = sorted(paths - regular - set(ROWS))
    assert not missing, f"add rows to tests/isolation/rows.py for {missing}"
    assert not (set(PAGES) | set(ADMIN)) - paths, "there are rows for what is no route any more"


def test_each_route_of_rest_has_a_row():
    there = {f"{route.method} {route.path}" for route in rest_routes()} | {"GET /openapi.json"}
    assert not there - set(REST), f"add rows to tests/isolation/rows.py for {sorted(there - set(REST))}"
    assert not set(REST) - there, "there are rows for what is no route any more"
    known = {re.sub(r"<(\w+)>", r"{\1}", path.removeprefix("api/v1")) for path in patterns(get_resolver())
             if path.startswith("api/v1/")}  # fmt: skip
    assert known - {"/"} == {name.split(" ")[1] for name in there}


def test_what_is_open_says_why():
    assert [
        path for path, row in {**ROWS, **REST, **COMMANDS}.items() if row.kind is OPEN and not row.why
    ] == []


# --- who asks -------------------------------------------------------------------------------------------


def session_of(user: User) -> Client:
    client = Client()
    client.force_login(user, backend=BACKEND)
    return client


def nobody(world: World) -> Client:
    return Client()


def another(world: World) -> Client:
    return session_of(UserFactory.create())


def deactivated(world: World) -> Client:
    """Alice herself."""
    client = session_of(world.owner)
    User.objects.filter(pk=world.owner.pk).update(is_active=False)
    return client


def staff(world: World) -> Client:
    return session_of(UserFactory.create(is_staff=True))


def foreign_token(world: World) -> Client:
    """With all scopes."""
    return _with_token(ApiTokenFactory.create(secret="lct_foreign"), "lct_foreign")


def bare_token(world: World) -> Client:
    """Alice's own, without any scope."""
    return _with_token(ApiTokenFactory.create(owner=world.owner, scopes=[], secret="lct_bare"), "lct_bare")


def _with_token(_row: object, secret: str) -> Client:
    return Client(headers={"authorization": f"Bearer {secret}"})


SIGNED_OUT = (nobody, deactivated)
IN_PERSON = (another, staff)
EVERYBODY = (*SIGNED_OUT, *IN_PERSON, foreign_token, bare_token)


def path_of(world: World, pattern: str, row: Row) -> str:
    def value(found: re.Match[str]) -> str:
        name = row.keys[found.group(1)]
        return str(world.owner.pk) if name == "owner" else world.key(name) if name in world.rows else name

    path = re.sub(r"[<{](?:\w+:)?(\w+)[>}]", value, pattern)
    query = re.sub(r"{(\w+)}", lambda found: world.key(found.group(1)), row.query)
    return f"{path}?{query}" if query else path


def words_of(answer: Any) -> str:
    body = b"".join(answer.streaming_content) if answer.streaming else answer.content
    return f"{answer.headers}\n{body.decode(errors='replace')}"


def nothing_told(world: World, answer: Any, path: str) -> None:
    assert list(world.told(words_of(answer), asked=path)) == [], path


# --- pages and the administration -----------------------------------------------------------------------


def page_answers(row: Row, who: Any) -> set[int]:
    """Codes. 405: the page is not asked in this way."""
    in_person = who in IN_PERSON
    if row.kind is OPEN:
        return {200, 302, 400, 403, 404, 405}
    if row.kind is SIGNED:
        return {400, 401, 404, 405}
    if row.kind in (OWN, HERS):
        seen = {200, 302} if row.kind is OWN else {404}
        return {*(seen if in_person else {302}), 405}
    if who is not staff:
        return {302}
    return {200, 302, 405} if row.kind is LOBBY else {302, 403, 404, 405}


def door(answer: Any) -> bool:
    return str(answer.headers.get("Location", "")).startswith(("/accounts/login/", "/admin/login/"))


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("who", EVERYBODY, ids=lambda who: who.__name__)
def test_pages_tell_nothing_of_hers(world: World, office: Any, who: Any, method: str):
    client = who(world)
    before = world.state()
    for pattern, row in ROWS.items():
        if pattern.endswith("logout/"):
            continue  # it would end the session that asks on
        path = "/" + path_of(world, pattern, row)
        answer = client.generic(method, path, "", content_type="application/x-www-form-urlencoded")
        assert answer.status_code in page_answers(row, who), f"{path}: {answer.status_code}"
        if answer.status_code == 302 and row.kind is not OPEN and who not in IN_PERSON:
            assert door(answer), f"{path} leads to {answer.headers['Location']}"
        nothing_told(world, answer, path)
    assert world.state() == before
    assert (office.stopped, office.woken_runs, office.notices) == ([], [], [])


def test_a_page_of_the_administration_that_staff_without_permission_get_to_is_a_lobby(world: World):
    client = staff(world)
    for pattern, row in ROWS.items():
        if row.kind is OFFICE:
            path = "/" + path_of(world, pattern, row)
            answer = client.get(path, follow=True)
            # The short address of a row leads to the long one, which refuses; what is not there leads to the index.
            shown = answer.status_code == 200 and answer.request["PATH_INFO"] != "/admin/"
            assert not shown, path
            nothing_told(world, answer, path)


# --- REST -----------------------------------------------------------------------------------------------


def ask(client: Client, world: World, name: str, row: Row) -> tuple[Any, str]:
    method, pattern = name.split(" ")
    path = "/api/v1" + path_of(world, pattern, row)
    body = "" if row.body is None else json.dumps(row.body)
    return client.generic(method, path, body, content_type="application/json"), path


def rest_answer(name: str, row: Row, who: Any) -> tuple[set[int], str]:
    """Codes of HTTP, and our own."""
    if who in SIGNED_OUT:
        return {401}, "signed_out"
    if who is bare_token:
        return {403}, "forbidden"
    return ({404}, "not_found") if row.kind is HERS else ({200, 201}, "")


@pytest.mark.parametrize("who", EVERYBODY, ids=lambda who: who.__name__)
@pytest.mark.parametrize("name", [name for name in REST if name != "GET /openapi.json"])
def test_rest_tells_nothing_of_hers(world: World, office: Any, name: str, who: Any):
    row, before = REST[name], world.state()
    answer, path = ask(who(world), world, name, row)
    codes, code = rest_answer(name, row, who)
    assert answer.status_code in codes, answer.content
    if code:
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.json()["code"] == code
    nothing_told(world, answer, path)
    assert world.state() == before
    assert (office.stopped, office.woken_runs, office.notices) == ([], [], [])


@pytest.mark.parametrize("who", [another, staff, foreign_token], ids=lambda who: who.__name__)
@pytest.mark.parametrize("name", [name for name, row in REST.items() if row.kind is HERS and row.keys])
def test_what_is_hers_and_what_is_not_there_look_alike(world: World, office: Any, name: str, who: Any):
    row, client = REST[name], who(world)
    hers, _ = ask(client, world, name, row)
    absent = Row(HERS, dict.fromkeys(row.keys, str(uuid4())), body=row.body)
    none, _ = ask(client, world, name, absent)
    assert (hers.status_code, hers.content) == (none.status_code, none.content)


@pytest.mark.parametrize("who", SIGNED_OUT, ids=lambda who: who.__name__)
def test_the_description_of_rest_is_for_who_is_signed_in(world: World, who: Any):
    assert who(world).get("/api/v1/openapi.json").status_code == 401


@pytest.mark.parametrize("who", [another, staff, foreign_token], ids=lambda who: who.__name__)
def test_what_everybody_has_used_is_for_who_may_see_it(world: World, who: Any):
    answer = who(world).get("/api/v1/usage?everybody=true&group_by=user")
    assert answer.status_code == 403
    nothing_told(world, answer, "")


# --- the other side: she herself ------------------------------------------------------------------------


def test_she_herself_is_shown_it(world: World):
    """Or the walk above would prove nothing."""
    mine = session_of(world.owner)
    told = {}
    for path in ("/", f"/c/{world.key('conversation')}/", f"/api/v1/conversations/{world.key('conversation')}",
                 f"/api/v1/invocations/{world.key('invocation')}", "/api/v1/webhook-endpoints",
                 f"/api/v1/webhook-deliveries?endpoint={world.key('endpoint')}"):  # fmt: skip
        told[path] = bool(list(world.told(words_of(mine.get(path)), asked="")))
    assert all(told.values()), told
