/** The composer: grows, sends, queues one message while an answer runs, and never loses what was written. */

import { byId, find, hasFocus, setHidden, setText } from "./dom";
import type { Drafts } from "./drafts";
import { text } from "./text";

export interface ComposerActions {
  send(words: string): void;
  stop(): void;
}

/** Stop takes the place of Send: the second click of a double click is not meant for it. */
const DOUBLE_CLICK_MS = 400;

export class Composer {
  private readonly form = byId<HTMLFormElement>("composer");
  private readonly field = byId<HTMLTextAreaElement>("say");
  private readonly sendButton = byId<HTMLButtonElement>("send");
  private readonly stopButton = byId<HTMLButtonElement>("stop");
  private readonly queuedRow = byId("queued");
  private readonly grows = CSS.supports("field-sizing", "content");
  private running = false;
  private blocked = false;
  private queued = "";
  private joined = 0;
  /** When Send was clicked; the Enter key is no click. */
  private clickedAt = -Infinity;

  constructor(
    private readonly drafts: Drafts,
    private readonly actions: ComposerActions,
  ) {
    const draft = drafts.load();
    this.field.value = draft.text || draft.sent || this.field.value;
    this.queued = draft.queued;
    this.joined = draft.joined;
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.clickedAt = performance.now();
      this.submit();
    });
    this.field.addEventListener("input", () => this.changed());
    this.field.addEventListener("keydown", (event) => this.key(event));
    this.stopButton.addEventListener("click", () => {
      if (performance.now() - this.clickedAt < DOUBLE_CLICK_MS) this.rest();
      else this.actions.stop();
    });
    find(this.queuedRow, '[data-action="edit-queued"]').addEventListener("click", () => this.editQueued());
    find(this.queuedRow, '[data-action="cancel-queued"]').addEventListener("click", () => {
      this.queue("", 0);
      this.rest();
    });
    this.changed();
    this.showQueued();
  }

  focus(): void {
    this.field.focus();
  }

  /** Takes the focus of a control that goes away; under a finger without raising the keyboard. */
  rest(): void {
    (isTouch() || this.blocked ? byId("thread") : this.field).focus({ preventScroll: true });
  }

  /** Nothing can be sent: what is written stays where it is. */
  setBlocked(blocked: boolean): void {
    this.blocked = blocked;
    this.show();
  }

  /** Puts words into the field, before those that are there. */
  restore(words: string): void {
    this.field.value = [words, this.field.value].filter(Boolean).join("\n\n");
    this.field.setSelectionRange(this.field.value.length, this.field.value.length);
    this.changed();
  }

  setRunning(running: boolean): void {
    this.running = running;
    this.stopButton.disabled = false;
    const placeholder = this.field.dataset[running ? "running" : "idle"];
    if (placeholder) this.field.placeholder = placeholder;
    this.show();
  }

  setStopping(): void {
    if (hasFocus(this.stopButton)) this.rest();
    this.stopButton.disabled = true;
  }

  /** The answer has ended. After a good end the queued message goes out; after a bad one it goes back into the field. */
  released(well: boolean): void {
    const words = this.queued;
    if (!words) return;
    this.queue("", 0);
    if (well && !this.blocked) this.actions.send(words);
    else this.restore(words);
  }

  private key(event: KeyboardEvent): void {
    if (event.key !== "Enter" || event.shiftKey || event.altKey) return;
    if (event.isComposing || event.keyCode === 229) return; // the input method's own Enter
    if (isTouch() && !event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    this.submit();
  }

  private submit(): void {
    const words = this.field.value.trim();
    if (!words || this.blocked) return;
    this.field.value = "";
    const byButton = hasFocus(this.sendButton);
    if (this.running) this.queue([this.queued, words].filter(Boolean).join("\n\n"), this.joined + 1);
    else this.actions.send(words);
    this.changed();
    if (byButton) this.rest();
  }

  private queue(words: string, joined: number): void {
    this.queued = words;
    this.joined = joined;
    this.drafts.save({ queued: words, joined });
    this.showQueued();
  }

  private editQueued(): void {
    const words = this.queued;
    this.queue("", 0);
    this.restore(words);
    this.focus();
  }

  private changed(): void {
    this.drafts.save({ text: this.field.value });
    if (!this.grows) this.field.rows = Math.min(12, this.field.value.split("\n").length);
    this.show();
  }

  private show(): void {
    const hasWords = this.field.value.trim() !== "";
    if (!this.running && hasFocus(this.stopButton)) this.rest();
    setHidden(this.stopButton, !this.running);
    setHidden(this.sendButton, this.running && !hasWords);
    this.sendButton.disabled = !hasWords || this.blocked;
    const label = this.running ? text.queue : text.send;
    this.sendButton.title = label;
    this.sendButton.setAttribute("aria-label", label);
  }

  private showQueued(): void {
    setHidden(this.queuedRow, !this.queued);
    setText(find(this.queuedRow, "span"), text.next(this.queued, this.joined));
  }
}

function isTouch(): boolean {
  return matchMedia("(pointer: coarse) and (hover: none)").matches;
}
