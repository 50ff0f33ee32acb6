/** The column of turns: what stands in it, and how a page fetched anew is taken over without disturbing what is alive. */

import { find, fromTemplate } from "./dom";
import { renderMarkdown } from "./markdown/engine";
import { enhanceCode } from "./render/code";
import { setLanguage } from "./render/prose";
import { toFragment } from "./render/sanitize";

export class Column {
  constructor(readonly element: HTMLElement) {
    enhanceCode(element);
  }

  turn(message: string): HTMLElement | null {
    return this.element.querySelector(`[data-message="${CSS.escape(message)}"]`);
  }

  append(...turns: HTMLElement[]): void {
    this.element.querySelector("#empty")?.remove();
    this.element.append(...turns);
  }

  /** The user's words, shown before the server has them. */
  addSaid(words: string): HTMLElement {
    const turn = fromTemplate("user");
    turn.dataset["sending"] = "";
    const prose = find(turn, ".prose");
    setLanguage(prose, words);
    prose.replaceChildren(toFragment(renderMarkdown(words)));
    enhanceCode(prose);
    find<HTMLTemplateElement>(turn, "template.source").content.replaceChildren(words);
    this.append(turn);
    return turn;
  }

  /** Removes a turn and what stands below it: another branch begins there. */
  cutFrom(turn: Element): void {
    while (turn.nextElementSibling) turn.nextElementSibling.remove();
    turn.remove();
  }

  cutAfter(turn: Element): void {
    while (turn.nextElementSibling) turn.nextElementSibling.remove();
  }

  /** Takes the turns of a fresh page; a turn that is the same stays the very node it is, and so does one that is alive. */
  adopt(fresh: Element, isAlive: (turn: HTMLElement) => boolean): void {
    const turns = [...fresh.children].map((child) => {
      const message = (child as HTMLElement).dataset["message"];
      const known = message ? this.turn(message) : null;
      return known && (isAlive(known) || isSame(known, child as HTMLElement)) ? known : document.adoptNode(child);
    });
    const kept = new Set<Node>(turns);
    for (const child of [...this.element.childNodes]) if (!kept.has(child)) child.remove();
    // What stands where it should is not touched: to put it there once more would take the focus from what is in it.
    turns.forEach((turn, at) => {
      const standing = this.element.childNodes[at];
      if (standing !== turn) this.element.insertBefore(turn, standing ?? null);
    });
    enhanceCode(this.element);
  }

  /** What "copy" copies. */
  static sourceOf(turn: Element): string {
    return turn.querySelector<HTMLTemplateElement>("template.source")?.content.textContent ?? "";
  }
}

function isSame(known: HTMLElement, fresh: HTMLElement): boolean {
  const pager = (turn: HTMLElement): string => turn.querySelector(".pager")?.textContent?.trim() ?? "";
  return (
    known.dataset["status"] === fresh.dataset["status"] &&
    pager(known) === pager(fresh) &&
    Column.sourceOf(known) === Column.sourceOf(fresh)
  );
}
