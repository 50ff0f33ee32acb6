/** An assistant's turn while this tab follows its run. At the end it is what the server's template would have made. */

import { find, fromTemplate, setText } from "../dom";
import { shortModel } from "../format";
import type { Progress } from "../live-run";
import { ENDED, type RunState } from "../protocol";
import { failedWords, stoppedWords, type Figures } from "../notes";
import { text } from "../text";
import { drawEnded, drawLive, figuresOf, type Siblings } from "./foot";
import { Prose } from "./prose";
import { ReasoningView } from "./reasoning";
import { segments, sourceOf, type Segment, type Source } from "./segments";
import { ToolsView } from "./tools";

type View =
  | { kind: "text"; view: Prose }
  | { kind: "reasoning"; view: ReasoningView }
  | { kind: "tools"; view: ToolsView }
  | { kind: "refusal" | "sources"; view: { element: HTMLElement } };

/** For this long a turn that the server has drawn stands, while the events that made it are read again. */
const CATCH_UP_MS = 1500;

export class TurnView {
  private readonly foot: HTMLElement;
  private readonly views: View[] = [];
  private readonly standsUntil: number;
  private readonly standingLength: number;
  private taken = false;
  private endedDrawn = false;

  constructor(
    readonly article: HTMLElement,
    public model: string,
  ) {
    this.foot = find(article, ".turn-foot");
    this.standingLength = article.querySelector<HTMLTemplateElement>("template.source")?.content.textContent?.length ?? 0;
    this.standsUntil = Date.now() + (this.standingLength > 0 ? CATCH_UP_MS : 0);
  }

  static waiting(model: string): TurnView {
    const article = fromTemplate("assistant");
    article.dataset["status"] = "queued";
    article.dataset["model"] = model;
    article.setAttribute("aria-busy", "true");
    find(article, ".turn-foot").replaceChildren();
    return new TurnView(article, model);
  }

  update(state: RunState, progress: Progress): void {
    if (this.endedDrawn) return;
    const ended = ENDED.has(state.status);
    if (!this.taken && !ended && this.mustStand(state)) return;
    this.take();
    this.article.dataset["status"] = state.status;
    this.drawSegments(state, progress, ended);
    if (ended) this.end(state, progress);
    else drawLive(this.foot, this.model, state, progress);
  }

  private mustStand(state: RunState): boolean {
    return Date.now() < this.standsUntil && sourceOf(state.steps).length < this.standingLength;
  }

  /** Takes over what the server drew: its segments go, ours come in the same frame. */
  private take(): void {
    if (this.taken) return;
    this.taken = true;
    for (const child of [...this.article.children]) {
      if (!child.matches("h2.sr, .turn-foot, template")) child.remove();
    }
    setText(find(this.article, "h2"), text.answering(shortModel(this.model)));
  }

  private drawSegments(state: RunState, progress: Progress, ended: boolean): void {
    const wanted = segments(state.steps);
    for (let index = 0; index < Math.max(wanted.length, this.views.length); index++) {
      const segment = wanted[index];
      if (segment && this.views[index]?.kind === segment.kind) continue;
      for (const { view } of this.views.splice(index)) view.element.remove();
      if (segment) this.add(segment);
    }
    wanted.forEach((segment, index) => {
      this.draw(segment, this.views[index], index === wanted.length - 1, progress, ended);
    });
  }

  private add(segment: Segment): void {
    const entry = makeView(segment);
    this.views.push(entry);
    this.foot.before(entry.view.element);
  }

  private draw(segment: Segment, entry: View | undefined, last: boolean, progress: Progress, ended: boolean): void {
    if (!entry) return;
    if (entry.kind === "text" && segment.kind === "text") {
      entry.view.update(segment.text, ended);
      if (last && !ended) entry.view.showCaret();
      else entry.view.hideCaret();
    } else if (entry.kind === "reasoning" && segment.kind === "reasoning") {
      entry.view.update(segment.text, last && !ended);
    } else if (entry.kind === "tools" && segment.kind === "tools") {
      entry.view.update(segment.calls, progress.calls, !ended);
    } else if (segment.kind === "refusal") {
      setText(find(entry.view.element, "p > span"), segment.text);
    } else if (segment.kind === "sources") {
      entry.view.element.replaceChildren(...segment.sources.map(makeSource));
    }
  }

  private end(state: RunState, progress: Progress): void {
    this.endedDrawn = true;
    this.article.removeAttribute("aria-busy");
    setText(find(this.article, "h2"), text.said(shortModel(this.model)));
    const note = makeNote(state, progress, figuresOf(this.model, state, progress));
    if (note) this.foot.before(note);
    drawEnded(this.foot, this.model, state, progress, readSiblings(this.article));
    const source = this.article.querySelector<HTMLTemplateElement>("template.source");
    source?.content.replaceChildren(sourceOf(state.steps));
  }
}

function makeView(segment: Segment): View {
  switch (segment.kind) {
    case "text":
      return { kind: "text", view: new Prose() };
    case "reasoning":
      return { kind: "reasoning", view: new ReasoningView(segment.text.length < 400) };
    case "tools":
      return { kind: "tools", view: new ToolsView() };
    case "refusal":
      return { kind: "refusal", view: { element: fromTemplate("note-refusal") } };
    case "sources": {
      const element = document.createElement("ol");
      element.className = "sources";
      return { kind: "sources", view: { element } };
    }
  }
}

function makeSource(source: Source): HTMLElement {
  const item = fromTemplate("source");
  setText(find(item, ".num"), String(source.number));
  const link = find<HTMLAnchorElement>(item, "a");
  setText(link, source.title || source.url);
  if (/^https?:/i.test(source.url)) link.href = source.url;
  else link.removeAttribute("href");
  setText(find(item, "span:last-child"), source.url);
  return item;
}

function makeNote(state: RunState, progress: Progress, figures: Figures): HTMLElement | null {
  const { status } = state;
  if (status === "completed") return null;
  const note = fromTemplate(`note-${status}`);
  const error = progress.finished?.error;
  const strong = find(note, "strong");
  if (status === "stopped" || status === "failed") {
    const words = status === "stopped"
      ? stoppedWords(figures, progress.finished?.stop_receipt)
      : failedWords(error, figures, sourceOf(state.steps) !== "");
    setText(strong, words.strong);
    setText(find(note, "p > span"), words.rest);
  } else setText(strong, error?.message || text.limit(figures.tokens));
  return note;
}

/** Where this answer stands among its siblings; kept on the turn, because the pager is not there while it runs. */
export function readSiblings(article: HTMLElement): Siblings | null {
  const written = article.dataset["siblings"];
  return written ? (JSON.parse(written) as Siblings) : null;
}
