"""Tools of a plug-in, for tests of what people see: one that asks first, one that takes its time, one that fails."""

from pathlib import Path
from typing import Literal

from tools.base import tool
from tools.context import ToolContext
from tools.exceptions import ToolError


@tool(needs_approval=True)
def send_message(
    to: str,
    subject: str,
    body: str = "",
    copies: int = 1,
    urgent: bool = False,
    labels: list[str] | None = None,
    channel: Literal["mail", "chat"] = "mail",
) -> dict[str, object]:
    """Sends a message.

    Args:
        to: whom.
        subject: what about.
        body: its words.
        copies: how many.
        urgent: whether it cannot wait.
        labels: to find it by.
        channel: which way.
    """
    return {
        "sent": True,
        "to": to,
        "subject": subject,
        "copies": copies,
        "urgent": urgent,
        "labels": labels or [],
    }


@tool(timeout_seconds=60)
def count_boxes(context: ToolContext, seconds: float = 2.0) -> str:
    """Counts the boxes of the store.

    Args:
        seconds: how long that takes.
    """
    for number in range(10):
        context.progress(number / 10, f"Shelf {number + 1} of 10")
        context.wait(seconds / 10)
    return "There are 1,204 boxes."


@tool(timeout_seconds=60, idempotent=True)
def list_boxes(context: ToolContext, seconds: float = 1.0) -> str:
    """Writes down the boxes of the store, then looks whether they are all there.

    Args:
        seconds: how long that takes.
    """
    key = context.files.add("boxes.txt", "text/plain", b"one\ntwo\n")
    context.wait(seconds)
    return f"They are in {key}."


@tool()
def open_gate(number: int) -> str:
    """Opens a gate of the store.

    Args:
        number: which.
    """
    raise ToolError(f"Gate {number} does not answer")


def plug_in(folder: Path) -> dict[str, str]:
    """The settings with which a server of its own finds these tools, by an entry point as in an installed package."""
    info = folder / "asking_tools-1.0.dist-info"
    info.mkdir(parents=True, exist_ok=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: asking-tools\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[lectern.tools]\nasking = tests.asking_tools\n")
    return {"PYTHONPATH": str(folder)}
