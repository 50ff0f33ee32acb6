/** A line beside an answer that says how it came about: who answered, and without what. */

import { find, fromTemplate, setText } from "../dom";

export class Aside {
  private element: HTMLElement | null = null;

  constructor(
    private readonly kind: "other-model" | "dropped" | "moderated",
    private readonly put: (element: HTMLElement) => void,
  ) {}

  show(words: string): void {
    if (!words) {
      this.element?.remove();
      this.element = null;
      return;
    }
    if (!this.element) {
      this.element = fromTemplate(`aside-${this.kind}`);
      this.put(this.element);
    }
    setText(find(this.element, "span"), words);
  }

  /** The line itself, where it is shown. */
  or(other: HTMLElement): HTMLElement {
    return this.element ?? other;
  }
}
