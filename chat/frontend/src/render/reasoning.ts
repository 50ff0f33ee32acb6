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
  private seconds: number | null = null;
  private alive = true;

  constructor(watched: boolean) {
    this.since = watched ? Date.now() : null;
    this.body.replaceChildren(this.words);
  }

  update(source: string, alive: boolean): void {
    const body = source.trim();
    if (body.startsWith(this.words.data)) this.words.appendData(body.slice(this.words.data.length));
    else this.words.data = body;
    if (this.alive && !alive && this.since !== null) this.seconds = Math.round((Date.now() - this.since) / 1000);
    this.alive = alive;
    setHidden(this.spinner, !alive);
    this.chevron.toggleAttribute("hidden", alive);
    setText(this.thought, alive ? newestWords(body) : "");
    this.tick();
  }

  tick(): void {
    const passed = this.since === null ? 0 : Math.floor((Date.now() - this.since) / 1000);
    setText(this.word, this.alive ? text.thinking(passed) : text.thought(this.seconds));
  }
}

function newestWords(body: string): string {
  const tail = body.slice(-240);
  const from = Math.max(tail.lastIndexOf("\n", tail.length - 2), tail.lastIndexOf(". ", tail.length - 24) + 1);
  return tail.slice(from + 1).trim();
}
