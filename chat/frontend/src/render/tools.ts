/** Tool calls in a row share a frame. A call's one status drives its word, its icon and its spinner. */

import { find, fromTemplate, hasFocus, setHidden, setText } from "../dom";
import { duration } from "../format";
import type { RunState } from "../protocol";
import { text } from "../text";
import { ApprovalForm } from "./approval";
import { filesOf } from "./files";
import type { Call } from "./segments";
import { fieldsOf, gistOf, offersAgain, resultText, stateIcon, stateWord, whyWords, type Field } from "./tool-words";

/** What the events tell of a call beside what is kept of it. */
export interface CallProgress {
  fraction: number | null;
  note: string;
  since: number;
  durationMs: number | null;
}

/** How a call stands for whoever looks at it. */
export interface Standing {
  status: string;
  waitsFor: string;
}

/** What was to be seen of a call before this view: how long it took, and that somebody had opened it. */
export interface Earlier {
  durationMs: number | null;
  open: boolean;
  /** How it stood then, and how far it was: of one that was under way. */
  status: string;
  going: CallProgress | null;
}

/** What a spinner turns for. */
export const GOING = new Set(["pending", "running"]);

/** An answer that has ended gives none of its calls a result any more. */
export function standingOf({ call, result }: Call, running: boolean): Standing {
  if (result) return { status: result.status, waitsFor: "" };
  if (!running) return { status: "cancelled", waitsFor: "" };
  return { status: call.status ?? "pending", waitsFor: call.for ?? "" };
}

/** Of all the calls that have no result yet. */
export function openCalls(state: RunState): Standing[] {
  const ended = new Set<string>();
  const open: Standing[] = [];
  for (const step of state.steps) for (const part of step.parts) if (part.type === "tool_result") ended.add(part.invocation);
  for (const step of state.steps) {
    for (const part of step.parts) {
      if (part.type === "tool_call" && !ended.has(part.invocation)) {
        open.push(standingOf({ call: part, result: null }, true));
      }
    }
  }
  return open;
}

export function waitsForSomeone(standing: Standing): boolean {
  return standing.status === "waiting" && standing.waitsFor === "approval";
}

/** Cards that the server has drawn, by their invocations: what of them should stay. */
export function earlierIn(root: ParentNode): Map<string, Earlier> {
  const found = new Map<string, Earlier>();
  for (const card of root.querySelectorAll<HTMLDetailsElement>(".tool[data-invocation]")) {
    const took = card.dataset["ms"];
    found.set(card.dataset["invocation"] ?? "", {
      durationMs: took ? Number(took) : null, open: card.open, status: card.dataset["status"] ?? "", going: goingOf(card),
    });
  }
  return found;
}

function goingOf(card: HTMLElement): CallProgress | null {
  const { seconds, note } = card.dataset;
  if (seconds === undefined) return null;
  const bar = find<HTMLProgressElement>(card, ".progress");
  return { fraction: bar.hidden ? null : bar.value, note: note ?? "", since: Date.now() - Number(seconds) * 1000, durationMs: null };
}

/** What was known of it before goes on until something newer comes. */
export function joined(before: CallProgress, now: CallProgress | undefined): CallProgress {
  if (!now) return before;
  return {
    fraction: now.fraction ?? before.fraction, note: now.note || before.note, since: Math.min(now.since, before.since), durationMs: now.durationMs,
  };
}

export class ToolsView {
  readonly element = document.createElement("div");
  private readonly views: ToolView[] = [];

  constructor(private readonly earlier: ReadonlyMap<string, Earlier>) {
    this.element.className = "tools";
    this.element.setAttribute("role", "group");
    this.element.setAttribute("aria-label", "Tools");
  }

  update(calls: readonly Call[], progress: ReadonlyMap<string, CallProgress>, running: boolean): void {
    calls.forEach((call, index) => {
      let view = this.views[index];
      if (!view) {
        view = new ToolView(call.call.invocation, this.earlier.get(call.call.invocation));
        this.views.push(view);
        this.element.append(view.element);
      }
      view.update(call, progress.get(call.call.invocation), running);
    });
  }
}

class ToolView {
  readonly element = fromTemplate<HTMLDetailsElement>("tool");
  private readonly head = find(this.element, ".tool-head");
  private readonly name = find(this.element, ".tool-name");
  private readonly gist = find(this.element, ".tool-gist");
  private readonly state = find(this.element, ".tool-state");
  private readonly bar = find<HTMLProgressElement>(this.element, ".progress");
  private readonly why = find(this.element, ".tool-why");
  private readonly again = find(this.element, ".tool-again");
  private readonly facts = find(this.element, ".facts");
  private readonly fold = find(this.element, ".fold");
  private approval: ApprovalForm | null = null;
  private files: HTMLElement | null = null;
  private fields: Field[] = [];
  private asksFor = "";
  private shownArguments: unknown = "";
  private shownResult: unknown = null;
  private shownIcon = "";
  private said = "";
  private beingWritten = false;
  private before: CallProgress | null;
  private wasAsDrawn = false;

  constructor(
    invocation: string,
    private readonly earlier: Earlier | undefined,
  ) {
    this.element.dataset["invocation"] = invocation;
    this.element.open = earlier?.open ?? false;
    this.before = earlier?.going ?? null;
  }

  update(call: Call, told: CallProgress | undefined, running: boolean): void {
    const standing = standingOf(call, running);
    const progress = this.sinceDrawn(standing.status, told);
    const { status, waitsFor } = standing;
    const { name } = call.call;
    this.element.dataset["status"] = status;
    this.element.dataset["for"] = waitsFor;
    if (this.name.textContent !== name) {
      setText(this.name, name);
      this.element.setAttribute("aria-label", name);
      this.bar.setAttribute("aria-label", `Progress of ${name}`);
    }
    this.readArguments(call.call.arguments);
    const goesOn = running && !call.result && !waitsForSomeone(standing);
    this.beingWritten = typeof call.call.arguments === "string";
    this.showState(standing, progress, goesOn);
    this.showProgress(goesOn ? progress : undefined);
    this.showEnd(standing, call);
    setHidden(this.again, running || !offersAgain(status));
    this.showApproval(running && waitsForSomeone(standing), call);
    this.showFiles(call);
  }

  /** As long as it stands as the server has drawn it. The events that led there may be read again before it does. */
  private sinceDrawn(status: string, told: CallProgress | undefined): CallProgress | undefined {
    const asDrawn = status === this.earlier?.status;
    if (this.wasAsDrawn && !asDrawn) this.before = null;
    this.wasAsDrawn = asDrawn;
    return asDrawn && this.before ? joined(this.before, told) : told;
  }

  private readArguments(written: unknown): void {
    if (written === this.shownArguments) return;
    this.shownArguments = written;
    this.fields = fieldsOf(written);
    this.asksFor = gistOf(this.fields);
    this.facts.replaceChildren(...this.fields.flatMap(({ name, value }) => [word("dt", name), word("dd", value)]));
  }

  private showState({ status, waitsFor }: Standing, progress: CallProgress | undefined, goesOn: boolean): void {
    setHidden(find(this.state, ".spinner"), !goesOn);
    setText(find(this.state, "span"), this.stateWords(status, waitsFor, progress, goesOn));
    const icon = stateIcon(status, waitsFor);
    if (icon === this.shownIcon) return;
    this.shownIcon = icon;
    this.state.querySelector("svg")?.remove();
    if (icon) this.state.append(fromTemplate<SVGElement>(`icon-${icon}`));
  }

  /** One or two words, or a figure that says the same. */
  private stateWords(status: string, waitsFor: string, progress: CallProgress | undefined, goesOn: boolean): string {
    const took = progress?.durationMs ?? this.earlier?.durationMs ?? null;
    if (status === "succeeded" && took !== null) return duration(took);
    if (goesOn && status === "pending" && this.beingWritten) return text.beingWritten;
    const seconds = progress && status !== "pending" ? Math.floor((Date.now() - progress.since) / 1000) : 0;
    if (!goesOn || !progress || seconds < 1) return stateWord(status, waitsFor);
    const time = seconds < 120 ? `${seconds} s` : `${Math.floor(seconds / 60)} min`;
    if (progress.fraction !== null) return `${Math.round(progress.fraction * 100)} % · ${time}`;
    return status === "running" ? time : `${stateWord(status, waitsFor)} · ${time}`;
  }

  /** In the head, so that it is seen folded as well and nothing moves when it begins. */
  private showProgress(progress: CallProgress | undefined): void {
    const fraction = progress?.fraction ?? null;
    setHidden(this.bar, fraction === null);
    if (fraction !== null) this.bar.value = fraction;
    setText(this.gist, progress?.note || this.asksFor);
  }

  private showEnd({ status, waitsFor }: Standing, { result }: Call): void {
    const said = `${status} ${waitsFor}`;
    const what = result?.result ?? null;
    if (said === this.said && what === this.shownResult) return;
    this.said = said;
    this.shownResult = what;
    const why = whyWords(status, waitsFor, what);
    setText(this.why, why);
    setHidden(this.why, why === "");
    const shown = result ? resultText(status, what) : "";
    setText(find(this.fold, "pre"), shown);
    setHidden(this.fold, shown === "");
  }

  /** Once: a result stays as it is, unless its step is forgotten. */
  private showFiles({ call, result }: Call): void {
    const files = result?.files ?? [];
    if (files.length > 0 === (this.files !== null)) return;
    this.files?.remove();
    this.files = files.length > 0 ? filesOf(call.name, files) : null;
    if (this.files) this.element.after(this.files);
  }

  private showApproval(asks: boolean, { call }: Call): void {
    setHidden(this.facts, asks || this.fields.length === 0);
    if (asks && !this.approval) {
      this.approval = new ApprovalForm(call);
      this.facts.after(this.approval.element);
      this.element.open = true;
    } else if (!asks && this.approval) {
      // Decided, here or elsewhere. Who was at it stays at the card.
      const wasHere = hasFocus(this.approval.element);
      this.approval.element.remove();
      this.approval = null;
      this.element.open = false;
      if (wasHere) this.head.focus();
    }
  }
}

function word(tag: string, said: string): HTMLElement {
  const element = document.createElement(tag);
  element.textContent = said;
  return element;
}
