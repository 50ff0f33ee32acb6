"""What a viewer of one run has before the eyes, and whatever is not right about the order in which it came.

Nothing is dropped as "seen already": what a browser forgives is counted here as a mistake of the server.
"""

from dataclasses import dataclass, field
from typing import Any

from chat.events.codec import Cursor


@dataclass
class Sight:
    """When the first event of an epoch was seen, and its first text."""

    first_at: float
    text_at: float | None = None


@dataclass
class Screen:
    """Events added, snapshots in the place of all before, a step forgotten when it is reset."""

    run: str
    last: Cursor | None = None
    ended: str = ""
    ends: int = 0
    wrong: list[str] = field(default_factory=list)
    epochs: dict[int, Sight] = field(default_factory=dict)
    live: list[tuple[float, int]] = field(default_factory=list)
    """When events came that are no snapshots, and of which epoch."""
    steps_back: int = 0
    """Snapshots that were older than what was shown."""
    repaired: int = 0
    """Snapshots in the middle of an epoch: where single events could not be had."""
    _steps: dict[int, list[str]] = field(default_factory=dict)

    @property
    def text(self) -> str:
        return "".join(piece for step in self._steps.values() for piece in step)

    def of_epoch(self, epoch: int) -> list[float]:
        return [at for at, of in self.live if of == epoch]

    def show(self, frame: dict[str, Any], at: float) -> None:
        event, cursor = frame["event"], Cursor.parse(frame["cursor"])
        kind = event["type"]
        if said := self._out_of_order(cursor, kind):
            self.wrong.append(said)
        self._note(cursor, kind, at)
        self.last = cursor
        self._fold(kind, event)

    def _out_of_order(self, cursor: Cursor, kind: str) -> str:
        last = self.last
        if self.ended:
            return f"{kind} {cursor} after the end"
        if kind == "run.snapshot":
            return ""
        if last is None:
            return "" if cursor == (1, 1) else f"begins with {kind} {cursor}"
        if cursor == (last.epoch, last.seq + 1):
            return ""
        if cursor <= last:
            return f"{kind} {cursor} once more after {last}"
        return f"gap: {kind} {cursor} after {last}"

    def _note(self, cursor: Cursor, kind: str, at: float) -> None:
        sight = self.epochs.setdefault(cursor.epoch, Sight(at))
        if kind == "run.snapshot":
            if self.last is not None and cursor < self.last:
                self.steps_back += 1
            if cursor.seq != 1:
                self.repaired += 1
            return
        self.live.append((at, cursor.epoch))
        if kind == "text.delta" and sight.text_at is None:
            sight.text_at = at

    def _fold(self, kind: str, event: dict[str, Any]) -> None:
        steps = self._steps
        match kind:
            case "text.delta":
                steps.setdefault(max(steps, default=1), []).append(event["text"])
            case "step.started":
                steps.setdefault(event["step"], [])
            case "step.reset":
                steps[event["step"]] = []
            case "run.snapshot":
                self._steps = {
                    step["step"]: [part["text"] for part in step["parts"] if part["type"] == "text"]
                    for step in event["state"]["steps"]
                }
            case "run.finished":
                self.ended = event["status"]
                self.ends += 1
