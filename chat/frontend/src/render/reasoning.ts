/** Reasoning: one line that is alive while the model thinks, folded after; the seconds only where we saw them pass. */

import { find, fromTemplate, setHidden, setText } from "../dom";
import { text } from "../text";

export class ReasoningView {
  readonly element = fromTemplate<HTMLDetailsElement>("reasoning");
  private readonly spinner = find(this.element, ".spinner");
  private readonly chevron = find<SVGElement>(this.element, ".chevron");
  private readonly word = find(this.element, ".reasoning-word");
  private readonly thought = find(this.element, ".thought");
  private readonly body = find(this.element, ".reasoning-body");
  private readonly words = document.createTextNode("");
  private readonly since: number | null;

  constructor(watched: boolean) {
    this.since = watched ? Date.now() : null;
    this.body.replaceChildren(this.words);
  }

  update(source: string, alive: boolean): void {
    const body = source.trim();
    if (body.startsWith(this.words.data)) this.words.appendData(body.slice(this.words.data.length));
    else this.words.data = body;
    setHidden(this.spinner, !alive);
    this.chevron.toggleAttribute("hidden", alive);
    setText(this.thought, alive ? newestWords(body) : "");
    const passed = this.since === null ? 0 : Math.floor((Date.now() - this.since) / 1000);
    // How long it took is not stored, so it is not shown after: a reload must not change what was read.
    setText(this.word, alive ? text.thinking(passed) : text.thought);
  }
}

function newestWords(body: string): string {
  const tail = body.slice(-240);
  const from = Math.max(tail.lastIndexOf("\n", tail.length - 2), tail.lastIndexOf(". ", tail.length - 24) + 1);
  return tail.slice(from + 1).trim();
}
