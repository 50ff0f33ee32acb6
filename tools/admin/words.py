"""A tool on its page in the admin: what it declares beside what is in force."""

from collections.abc import Iterator

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from tools.base import Tool
from tools.registry import ToolOverride

MISSING = "No tool of this name is installed any more: nothing here counts, until one is again."
NOTHING = "nothing"


def yes_or_no(answer: bool) -> str:
    return "yes" if answer else "no"


def seconds(figure: float) -> str:
    return f"{figure:g}\u00a0s"


def size(figure: int) -> str:
    return f"{figure:,}\u00a0bytes"


def tries(retries: int) -> str:
    return str(retries + 1)


def both(declared: str, now: str) -> str:
    """For a list: what is in force, and what the tool says where that is something else."""
    return now if now == declared else f"{now} (the tool says\u00a0{declared})"


def compared(declared: Tool, override: ToolOverride) -> SafeString:
    now = override.applied_to(declared)
    head = format_html(
        '<tr><td></td><th scope="col">{}</th><th scope="col">{}</th></tr>', "the tool says", "in force"
    )
    rows = format_html_join(
        "", '<tr><th scope="row">{}</th><td>{}</td><td>{}</td></tr>', _rows(declared, now, override)
    )
    return format_html("<table><thead>{}</thead><tbody>{}</tbody></table>", head, rows)


def _rows(declared: Tool, now: Tool, override: ToolOverride) -> Iterator[tuple[str, str, str]]:
    yield "may be called", "yes", yes_or_no(override.enabled)
    yield "description", declared.description, now.description
    yield "time", seconds(declared.timeout_seconds), seconds(now.timeout_seconds)
    yield "attempts at most", tries(declared.retries), tries(now.retries)
    yield "needs approval", yes_or_no(declared.needs_approval), yes_or_no(now.needs_approval)
    yield "result for the model", size(declared.max_result_bytes), size(now.max_result_bytes)
    whom = declared.allowed.__name__.replace("_", " ").strip("<>")
    groups = ", ".join(sorted(override.groups))
    yield "who may use it", whom, f"{whom}, and only members of {groups}" if groups else whom
    yield "idempotent", yes_or_no(declared.idempotent), yes_or_no(now.idempotent)
    yield "queue", declared.queue, now.queue
