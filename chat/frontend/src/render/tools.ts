/** Tool calls in a row share a frame. A call's one status drives its word, its icon and its spinner. */

import { find, fromTemplate, setHidden, setText } from "../dom";
import { duration } from "../format";
import type { Call } from "./segments";

/** What the events tell of a call beside what is kept of it. */
export interface CallProgress {
  status: string;
  fraction: number | null;
  note: string;
  since: number;
  durationMs: number | null;
}

const WORDS: Record<string, string> = {
  pending: "Waits its turn", waiting: "Waits for you", running: "Running", succeeded: "Done", failed: "Failed",
  rejected: "Rejected", cancelled: "Cancelled", timed_out: "Timed out", unknown: "Unknown",
};
/** What a spinner turns for. */
export const GOING = new Set(["pending", "running"]);

export class ToolsView {
  readonly element = document.createElement("div");
  private readonly views: ToolView[] = [];

  constructor() {
    this.element.className = "tools";
  }

  update(calls: readonly Call[], progress: ReadonlyMap<string, CallProgress>, running: boolean): void {
    calls.forEach((call, index) => {
      let view = this.views[index];
      if (!view) {
        view = new ToolView();
        this.views.push(view);
        this.element.append(view.element);
      }
      view.update(call, progress.get(call.call.invocation), running);
    });
  }
}

class ToolView {
  readonly element = fromTemplate<HTMLDetailsElement>("tool");
  private readonly state = find(this.element, ".tool-state");
  private readonly note = find(this.element, ".tool-note");
  private readonly facts = find(this.element, ".facts");
  private readonly fold = find(this.element, ".fold");
  private shownArguments = "";
  private shownIcon = "";

  update({ call, result }: Call, progress: CallProgress | undefined, running: boolean): void {
    const status = result?.status ?? progress?.status ?? "pending";
    this.element.dataset["status"] = status;
    this.element.dataset["invocation"] = call.invocation;
    setText(find(this.element, ".tool-name"), call.name);
    this.showArguments(call.arguments);
    this.showState(status, progress, running && !result);
    this.showNote(result ? undefined : progress);
    setHidden(this.fold, result === null);
    if (result) setText(find(this.fold, "pre"), pretty(result.result));
  }

  private showArguments(value: unknown): void {
    const shown = typeof value === "string" ? value : JSON.stringify(value);
    if (shown === this.shownArguments) return;
    this.shownArguments = shown;
    const facts = factsOf(value);
    setText(find(this.element, ".tool-gist"), facts.map(([, one]) => one).join(", ").slice(0, 120));
    this.facts.replaceChildren(...facts.flatMap(([name, one]) => [word("dt", name), word("dd", one)]));
  }

  private showState(status: string, progress: CallProgress | undefined, going: boolean): void {
    setHidden(find(this.state, ".spinner"), !(going && GOING.has(status)));
    const took = progress?.durationMs ?? null;
    let said = WORDS[status] ?? status;
    if (status === "succeeded" && took !== null) said = duration(took);
    else if (status === "running" && progress && Date.now() - progress.since >= 1000) said = duration(Date.now() - progress.since);
    setText(find(this.state, "span"), said);
    const icon = status === "succeeded" ? "check" : ["failed", "timed_out", "unknown"].includes(status) ? "x" : "";
    if (icon === this.shownIcon) return;
    this.shownIcon = icon;
    this.state.querySelector("svg")?.remove();
    if (icon) this.state.append(fromTemplate<SVGElement>(`icon-${icon}`));
  }

  private showNote(progress: CallProgress | undefined): void {
    const fraction = progress?.fraction ?? null;
    setHidden(this.note, fraction === null);
    if (fraction === null || !progress) return;
    const [said, share] = this.note.querySelectorAll("span");
    if (said) setText(said, progress.note);
    if (share) setText(share, `${Math.round(fraction * 100)} %`);
    find<HTMLProgressElement>(this.note, "progress").value = fraction;
  }
}

function word(tag: string, said: string): HTMLElement {
  const element = document.createElement(tag);
  element.textContent = said;
  return element;
}

function pretty(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value, null, 2);
}

/** Arguments as fields, also while they stream: of partial JSON, the text as it is. */
function factsOf(value: unknown): [string, string][] {
  let read = value;
  if (typeof value === "string") {
    if (!value) return [];
    try {
      read = JSON.parse(value);
    } catch {
      return [["arguments", value]];
    }
  }
  if (read === null || typeof read !== "object" || Array.isArray(read)) return [["arguments", pretty(read)]];
  return Object.entries(read).map(([name, one]) => [name, pretty(one)]);
}
