/** An assistant's turn while this tab follows its run. At the end it is what the server's template would have made. */

import { find, fromTemplate, setText } from "../dom";
import type { Progress } from "../live-run";
import { shownModel } from "../names";
import { ENDED, type RunState } from "../protocol";
import { droppedWords, moderatedWords, notesOf, otherModelWords } from "../step-notes";
import { text } from "../text";
import { Aside } from "./aside";
import { makeNote } from "./end-note";
import { drawEnded, drawLive, figuresOf, type Siblings } from "./foot";
import { Prose } from "./prose";
import { ReasoningView } from "./reasoning";
import { lastShown, segments, sourceOf, type Segment, type Source } from "./segments";
import { earlierIn, ToolsView, type Earlier } from "./tools";

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
  private readonly otherModel: Aside;
  private readonly dropped: Aside;
  private readonly moderated: Aside;
  private earlier: ReadonlyMap<string, Earlier> = new Map();
  private taken = false;
  private endedDrawn = false;
  private fading = false;

  constructor(
    readonly article: HTMLElement,
    public model: string,
  ) {
    this.foot = find(article, ".turn-foot");
    this.otherModel = new Aside("other-model", (aside) => find(article, "h2").after(aside));
    this.dropped = new Aside("dropped", (aside) => this.foot.before(aside));
    this.moderated = new Aside("moderated", (aside) => this.dropped.or(this.foot).before(aside));
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
    if (!this.taken && !ended && this.mustStand(state, progress)) {
      if (progress.again) {
        this.fade(this.standing());
        drawLive(this.foot, this.model, state, progress);
      }
      return;
    }
    this.take();
    this.name(state);
    this.article.dataset["status"] = state.status;
    this.drawSegments(state, progress, ended);
    if (ended) this.end(state, progress);
    else drawLive(this.foot, this.model, state, progress);
  }

  private mustStand(state: RunState, { again }: Progress): boolean {
    if (this.standingLength === 0) return false;
    if (again && !lastShown(state.steps)) return true;
    return Date.now() < this.standsUntil && sourceOf(state.steps).length < this.standingLength;
  }

  private standing(): HTMLElement[] {
    return ([...this.article.children] as HTMLElement[]).filter((child) => !child.matches("h2.sr, .turn-foot, template"));
  }

  /** Takes over what the server drew: its segments go, ours come in the same frame. */
  private take(): void {
    if (this.taken) return;
    this.taken = true;
    this.earlier = earlierIn(this.article);
    for (const child of this.standing()) child.remove();
  }

  /** Who answers, and without what: known before the first word, so nothing moves when it is told. */
  private name(state: RunState): void {
    const notes = notesOf(state.steps);
    if (this.article.dataset["model"] !== this.model) this.article.dataset["model"] = this.model;
    setText(find(this.article, "h2"), text.answering(shownModel(this.model)));
    this.otherModel.show(otherModelWords(notes, this.model, state.status));
    this.dropped.show(droppedWords(notes, this.model, state.status));
    this.moderated.show(moderatedWords(notes));
  }

  private drawSegments(state: RunState, progress: Progress, ended: boolean): void {
    const wanted = segments(state.steps);
    if (progress.again && !ended && wanted.length < this.views.length) {
      return this.fade(this.views.slice(wanted.length).map(({ view }) => view.element));
    }
    this.fading = false;
    for (let index = 0; index < Math.max(wanted.length, this.views.length); index++) {
      const segment = wanted[index];
      if (segment && this.views[index]?.kind === segment.kind && !isStale(this.views[index])) continue;
      for (const { view } of this.views.splice(index)) view.element.remove();
      if (segment) this.add(segment);
    }
    wanted.forEach((segment, index) => {
      this.draw(segment, this.views[index], index === wanted.length - 1, progress, ended);
    });
  }

  /** What does not count any more stays to be read until something comes in its place; the turn keeps its height, up to a point. */
  private fade(gone: HTMLElement[]): void {
    if (this.fading) return;
    this.fading = true;
    this.article.dataset["stood"] = "";
    this.article.style.setProperty("--stood", `${this.article.offsetHeight}px`);
    for (const element of gone) element.dataset["stale"] = "";
  }

  private add(segment: Segment): void {
    const entry = makeView(segment, this.earlier);
    this.views.push(entry);
    this.dropped.or(this.foot).before(entry.view.element);
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
    setText(find(this.article, "h2"), text.said(shownModel(this.model)));
    const note = makeNote(state, progress, figuresOf(this.model, state, progress));
    if (note) this.dropped.or(this.foot).before(note);
    drawEnded(this.foot, this.model, state, progress, readSiblings(this.article));
    const source = this.article.querySelector<HTMLTemplateElement>("template.source");
    source?.content.replaceChildren(sourceOf(state.steps));
  }
}

function isStale(entry: View | undefined): boolean {
  return entry?.view.element.dataset["stale"] !== undefined;
}

function makeView(segment: Segment, earlier: ReadonlyMap<string, Earlier>): View {
  switch (segment.kind) {
    case "text":
      return { kind: "text", view: new Prose() };
    case "reasoning":
      return { kind: "reasoning", view: new ReasoningView(segment.text.length < 400) };
    case "tools":
      return { kind: "tools", view: new ToolsView(earlier) };
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

/** Where this answer stands among its siblings; kept on the turn, because the pager is not there while it runs. */
export function readSiblings(article: HTMLElement): Siblings | null {
  const written = article.dataset["siblings"];
  return written ? (JSON.parse(written) as Siblings) : null;
}
