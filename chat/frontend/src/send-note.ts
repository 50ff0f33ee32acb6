/** The note above the composer when something was not taken: why, and a button that tries again. */

import { byId, find, setHidden, setText } from "./dom";
import { text } from "./text";

export class SendNote {
  private readonly note = byId("send-note");
  private readonly retry = find<HTMLButtonElement>(this.note, '[data-action="resend"]');

  constructor(resend: (words: string) => void) {
    this.retry.addEventListener("click", () => {
      this.hide();
      const field = byId<HTMLTextAreaElement>("say");
      const words = field.value.trim();
      field.focus();
      if (!words) return;
      field.value = "";
      field.dispatchEvent(new Event("input"));
      resend(words);
    });
  }

  /** `words`: what Retry would send again; null where trying again as it is would not help. */
  show(why: string, words: string | null, what: string = text.notSent): void {
    setText(find(this.note, "strong"), what);
    setText(find(this.note, "p > span"), why);
    setHidden(this.retry, words === null);
    setHidden(this.note, false);
  }

  hide(): void {
    setHidden(this.note, true);
  }
}
