"""docs/reference lists every setting, error, event and route, as they are in the code, and none besides."""

import ast
import re
from pathlib import Path
from typing import get_args

import msgspec
import pytest

from chat.api.root import api
from chat.events.run_events import RunEvent
from chat.exceptions import ChatError, Internal
from chat.websocket.commands import Command

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"


def rows(page: str) -> dict[str, list[str]]:
    """The tables of a page: the first cell without its backticks, then the other cells."""
    table = {}
    for line in (REFERENCE / page).read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| `") and re.fullmatch(r"`[\w.]+`", cells[0]):
            assert cells[0] not in table, f"{cells[0]} stands twice in {page}"
            table[cells[0].strip("`")] = cells[1:]
    return table


def settings_read() -> dict[str, ast.Call]:
    tree = ast.parse((ROOT / "project" / "settings.py").read_text(encoding="utf-8"))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    read = {}
    for call in calls:
        function = call.func
        if (
            isinstance(function, ast.Attribute)
            and isinstance(function.value, ast.Name)
            and function.value.id == "env"
        ):
            name = ast.literal_eval(call.args[0])
            assert name not in read, f"{name} is read twice"
            read[name] = call
    return read


def default_of(call: ast.Call) -> str | None:
    """As the page writes it; None where it depends on the machine or there is none."""
    given = [*call.args[1:2], *(keyword.value for keyword in call.keywords if keyword.arg == "default")]
    try:
        value = ast.literal_eval(given[0])
    except (IndexError, ValueError):
        return None
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ",".join(value) if isinstance(value, list) else str(value)


def test_every_setting_is_listed_and_no_other():
    assert set(rows("settings.md")) == set(settings_read())


@pytest.mark.parametrize(("name", "call"), settings_read().items())
def test_a_setting_is_listed_with_its_default_and_its_unit(name: str, call: ast.Call):
    default, what = rows("settings.md")[name]

    expected = default_of(call)
    if expected is not None:
        assert default == f"`{expected}`"
    unit = next(
        (unit for unit in ("SECONDS", "BYTES", "CHARACTERS", "DAYS") if name.endswith("_" + unit)), ""
    )
    assert unit.lower() in what
    assert "milliseconds" in what or not name.endswith("_MS")


def errors() -> dict[str, type[ChatError]]:
    found, queue = {}, list(ChatError.__subclasses__())
    while queue:
        error = queue.pop()
        queue += error.__subclasses__()
        if "code" in vars(error) and error.__module__ == "chat.exceptions":
            found[error.code] = error
    return found


def test_every_error_is_listed_and_no_other():
    assert set(rows("errors.md")) == set(errors())
    assert Internal.code in errors()


@pytest.mark.parametrize(("code", "error"), sorted(errors().items()))
def test_an_error_is_listed_with_its_status_and_whether_to_retry(code: str, error: type[ChatError]):
    status, retryable, happened, to_do = rows("errors.md")[code]

    assert (status, retryable) == (str(error.http_status), "yes" if error.retryable else "no")
    assert happened
    assert to_do


def events() -> dict[str, type[msgspec.Struct]]:
    return {str(kind.__struct_config__.tag): kind for kind in get_args(RunEvent)}


def test_every_event_is_listed_and_no_other():
    assert set(rows("events.md")) == set(events())


@pytest.mark.parametrize(("tag", "kind"), sorted(events().items()))
def test_an_event_is_listed_with_its_fields(tag: str, kind: type[msgspec.Struct]):
    assert rows("events.md")[tag][0] == ", ".join(f"`{name}`" for name in kind.__struct_encode_fields__)


def test_every_command_and_frame_is_listed_and_no_other():
    said = {command.__struct_config__.tag for command in get_args(Command)}
    assert said <= set(rows("websocket.md"))
    frames_listed = set(rows("websocket.md")) - said
    assert frames_listed == {"ready", "reply", "event", "notice", "pong", "closing"}


def test_every_route_of_the_api_is_listed_and_no_other():
    page = (REFERENCE / "rest.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `([A-Z]+) (/\S*)` \| \S", page, re.MULTILINE)
    schema = api.get_openapi_schema(path_prefix="")
    served = [
        (method.upper(), path.replace("{key}", "{id}"))
        for path, operations in schema["paths"].items()
        for method in operations
    ]
    assert sorted(listed) == sorted(served)
