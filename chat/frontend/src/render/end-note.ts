/** The note below an answer that did not end well: what happened, and what to do. */

import { find, fromTemplate, setHidden, setText } from "../dom";
import type { Progress } from "../live-run";
import { inOwnTime } from "../format";
import { failedWords, limitWords, pageForStaff, stoppedWords, waitLabel, type Figures } from "../notes";
import type { ErrorFacts, RunState } from "../protocol";
import { sourceOf } from "./segments";

export function makeNote(state: RunState, progress: Progress, figures: Figures): HTMLElement | null {
  const { status } = state;
  if (status === "completed") return null;
  const note = fromTemplate(`note-${status}`);
  const error = progress.finished?.error;
  const strong = find(note, "strong");
  let words = limitWords(error, figures);
  if (status === "stopped") words = stoppedWords(figures, progress.finished?.stop_receipt);
  if (status === "failed") words = failedWords(error, figures, sourceOf(state.steps) !== "", linksForStaff(note).length > 0);
  setText(strong, inOwnTime(words.strong, error?.resets_at));
  setText(find(note, "p > span"), words.rest);
  // What has not begun cannot go on.
  if (status === "stopped" && sourceOf(state.steps) === "") note.querySelector(".row")?.remove();
  if (status === "failed" && error) offerNext(note, error);
  return note;
}

function linksForStaff(note: HTMLElement): NodeListOf<HTMLElement> {
  return note.querySelectorAll<HTMLElement>("[data-for-staff]");
}

function offerNext(note: HTMLElement, error: ErrorFacts): void {
  for (const link of linksForStaff(note)) setHidden(link, link.dataset["forStaff"] !== pageForStaff(error));
  if (!error.retry_after_seconds) return;
  const wait = fromTemplate("wait");
  wait.dataset["seconds"] = String(error.retry_after_seconds);
  wait.textContent = waitLabel(error.retry_after_seconds);
  find(note, '[data-action="retry"]').append(" ", wait);
}

const until = new WeakMap<Element, number>();

/** Buttons that are better pressed later say how much later; `waits` is a live collection. */
export function countDown(waits: Iterable<Element>, now = Date.now()): void {
  for (const wait of [...waits] as HTMLElement[]) {
    const end = until.get(wait) ?? now + Number(wait.dataset["seconds"] ?? 0) * 1000;
    until.set(wait, end);
    // Emptied, not removed: the note around it keeps its shape.
    setText(wait, end > now ? waitLabel((end - now) / 1000) : "");
  }
}
