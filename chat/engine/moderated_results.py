"""What tools have brought, held against the rules before it is stored: for the model and the user alike."""

from typing import Any, Final

from msgspec import Struct

from chat.engine.rules_in_force import hit_row, rules_in_force, write_hits
from chat.models import ModerationHit, ToolInvocation
from chat.moderation.whole import ruled_text, ruled_written_json

WITHHELD: Final = "The result was withheld: the rule “{rule}” of this site forbids it."


class Judged(Struct, frozen=True):
    """What is left of a text; `rows` are to be written once it is recorded."""

    text: str
    altered: bool = False
    withheld: bool = False
    rows: tuple[ModerationHit, ...] = ()

    def write(self) -> None:
        write_hits(self.rows)


def judged_result(invocation: ToolInvocation, text: str) -> Judged:
    return _judged(invocation, text, "result")


def judged_note(invocation: ToolInvocation, text: str) -> str:
    """Of progress. What is found in it shows in what is left of it; it is not written down a tenth of a second long."""
    judged = _judged(invocation, text, "note")
    return "" if judged.withheld else judged.text


def _judged(invocation: ToolInvocation, text: str, part: str) -> Judged:
    rules = rules_in_force().for_user(invocation.user_id).tool_results
    if rules is None or not text:
        return Judged(text)
    found = ruled_text(text, rules) if part == "note" else ruled_written_json(text, rules)
    if not found.hits:
        return Judged(text)
    columns: dict[str, Any] = {
        "where": ModerationHit.Where.TOOL_RESULT,
        "part": part,
        "user_id": invocation.user_id,
        "run_id": invocation.run_id,
        "step": invocation.step,
    }
    rows = tuple(hit_row(hit, **columns) for hit in found.hits)
    if found.ended_by is not None:
        return Judged(WITHHELD.format(rule=found.ended_by.name), altered=True, withheld=True, rows=rows)
    return Judged(found.value, found.altered, rows=rows)
