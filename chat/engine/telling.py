"""What has been told of a run, and what of that is stored: the log, the state it folds to, and the place in both."""

from chat.engine import recorder
from chat.engine.attempts import Kept, copied, text_length
from chat.engine.plan import RunPlan
from chat.events import run_events as ev
from chat.events.backends.base import EventLog
from chat.events.codec import Cursor
from chat.events.fold import Part, RunState


class Telling:
    """One run under one epoch. `kept` is what viewers were told to forget although nothing better has come yet."""

    def __init__(self, plan: RunPlan, log: EventLog) -> None:
        self._plan = plan
        self._log = log
        self.state = RunState(plan.message)
        self.cursor = Cursor(plan.epoch, 0)
        self._saved = self.cursor
        rescued = plan.rescued
        self.kept: Kept | None = None
        if rescued is not None and rescued.steps and not rescued.steps[-1].finished:
            self.kept = Kept.of(rescued, None)

    def begin(self) -> None:
        """Claims the run's log, and tells what an earlier epoch had told.

        Raises:
            StaleEpoch: a newer epoch has begun already.
        """
        self._log.begin(self._plan.run, self._plan.epoch, self.state)
        if self._plan.rescued is None:
            self.tell(ev.RunStarted(model=self._plan.model_name, message=self._plan.message))
        else:
            self.tell(ev.RunSnapshot(state=self._plan.rescued.as_dict()))

    def tell(self, event: ev.RunEvent) -> None:
        self.cursor = self._log.append(self._plan.run, self._plan.epoch, event)

    def end(self) -> None:
        self._log.end(self._plan.run, self._plan.epoch)

    def let_go(self) -> None:
        """Whoever goes on with it, its readers look for it there."""
        self._log.let_go(self._plan.run, self._plan.epoch)

    # --- the step that is being made --------------------------------------------------------------------

    def _parts(self) -> list[Part]:
        return self.state.steps[-1].parts if self.state.steps else []

    @property
    def shows_something(self) -> bool:
        # A signature without words is nothing that anybody has seen.
        return any(part["type"] != "reasoning" or part["text"] for part in self._parts())

    @property
    def shorter_than_kept(self) -> bool:
        return self.kept is not None and text_length(self.state.steps) < self.kept.length

    def forget(self, step: int, reason: str) -> None:
        """What the step has so far, a signature alone too: it belongs to the attempt that has failed."""
        if self._parts():
            self.tell(ev.StepReset(step=step, reason=reason))

    def keep(self) -> None:
        """What is shown will be forgotten; the longest so far stays at hand."""
        if self.shows_something and not self.shorter_than_kept:
            self.kept = Kept.of(self.state, self.partial())

    def bring_back_kept(self) -> None:
        """No attempt came further, and none will."""
        if self.kept is not None and self.shorter_than_kept:
            self.tell(ev.RunSnapshot(state=self.kept.state))

    # --- what is stored ---------------------------------------------------------------------------------

    def unsaved(self) -> recorder.Partial | None:
        if self.cursor == self._saved:
            return None
        if self.kept is not None and self.shorter_than_kept:
            kept = self.kept.partial
            return kept if kept is not None and kept.last_seq > self._saved.seq else None
        return self.partial()

    def saved(self, partial: recorder.Partial) -> None:
        self._saved = Cursor(partial.epoch, partial.last_seq)

    def partial(self) -> recorder.Partial:
        plan = self._plan
        return recorder.Partial(plan.run, plan.epoch, plan.message, self.cursor.seq, copied(self.state.steps))
