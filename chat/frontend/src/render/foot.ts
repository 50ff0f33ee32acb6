/** The foot of a turn: the same height whether it counts, waits, or offers actions. */

import { find, fromTemplate, setHidden, setText } from "../dom";
import { money, tokens } from "../format";
import type { Progress } from "../live-run";
import { shownModel } from "../names";
import type { Figures } from "../notes";
import type { RunState } from "../protocol";
import { text } from "../text";
import { lastShown } from "./segments";
import { GOING, openCalls, waitsForSomeone } from "./tools";

/** A spinner that turns for longer than this without anything new says what it waits for. */
const SILENT_SECONDS = 3;
/** Why there is another try stays to be read for so long after it has begun. */
const NOW_MS = 2000;

export interface Siblings {
  index: number;
  count: number;
  previous: string | null;
  next: string | null;
}

export function drawLive(foot: HTMLElement, model: string, state: RunState, progress: Progress, now = Date.now()): void {
  let live = foot.querySelector<HTMLElement>(".live");
  if (!live) {
    live = fromTemplate("live");
    foot.replaceChildren(live);
  }
  setHidden(find(live, ".spinner"), progress.offline || turnsAbove(state));
  setSpans(find(live, ".receipt"), liveWords(model, state, progress, now));
}

/** A thought or a tool that is under way has a spinner of its own, and one is enough. */
function turnsAbove(state: RunState): boolean {
  return openCalls(state).length > 0 || lastShown(state.steps)?.type === "reasoning";
}

/** What the open calls of tools mean for the answer: nothing, that they are at work, or whom it waits for. */
function toolsSay(state: RunState): "" | "at work" | "you" | "others" {
  const open = openCalls(state);
  if (open.length === 0) return "";
  if (open.some((call) => GOING.has(call.status))) return "at work";
  return open.some(waitsForSomeone) ? "you" : "others";
}

/** What stands beside the spinner. */
export function liveWords(model: string, state: RunState, progress: Progress, now: number): string[] {
  const counted = progress.tokens > 0 ? [tokens(Math.ceil(progress.tokens), true)] : [];
  if (progress.restarted) counted.push(text.begunAgain);
  if (progress.offline) return [...counted, text.notConnected];
  if (progress.stopping) return [text.stopping];
  const goesOn = whatGoesOn(progress, now);
  if (goesOn) return [goesOn];
  const name = model ? shownModel(model) : "the model";
  const silent = Math.floor((now - Math.max(progress.heardAt, progress.retry?.until ?? 0)) / 1000);
  if (progress.retry) return [text.tryGoesOn(progress.retry.attempt, text.waiting(name, silent))];
  if (!lastShown(state.steps)) return [text.waiting(name, silent)];
  const tools = toolsSay(state);
  if (tools === "you") return [...counted, text.waitsForYou];
  if (tools === "others") return [...counted, text.waitsForOthers];
  if (tools === "at work") return counted;
  if (silent >= SILENT_SECONDS) return [...counted, text.waiting(name, silent)];
  if (progress.rate !== null && progress.rate >= 0.5) counted.push(`${Math.round(progress.rate)} tok/s`);
  return counted;
}

/** What stands between the question and the first word, in a sentence: a line, or the pause before another try. */
export function whatGoesOn({ line, retry }: Progress, now = Date.now()): string {
  if (line) return text.inLine(line.place, Math.floor((now - line.since) / 1000));
  if (!retry || now >= retry.until + NOW_MS) return "";
  return text.retrying(retry.reason, retry.attempt, Math.max(0, Math.ceil((retry.until - now) / 1000)));
}

/** What is known of an ended answer; the server's receipt has the same names. */
export function figuresOf(model: string, state: RunState, progress: Progress): Figures & Record<string, unknown> {
  const { usage, cost } = state;
  const { finished } = progress;
  return {
    model, tokens: usage?.output_tokens ?? null, input_tokens: usage?.input_tokens ?? null, cached_tokens: usage?.cached_tokens, cost,
    usage_source: usage?.source ?? "unknown", ttft_ms: finished?.ttft_ms, duration_ms: finished?.duration_ms ?? null,
    tokens_per_second: finished?.tokens_per_second,
  };
}

export function drawEnded(foot: HTMLElement, model: string, state: RunState, progress: Progress, siblings: Siblings | null): void {
  const receipt = document.createElement("span");
  receipt.className = "receipt num";
  setSpans(receipt, [shownModel(model), ...billedWords(state)].filter(Boolean));
  receipt.dataset["facts"] = JSON.stringify(figuresOf(model, state, progress));
  const pager = siblings && siblings.count > 1 ? [makePager(siblings)] : [];
  foot.replaceChildren(fromTemplate("actions"), ...pager, receipt);
}

/** Tokens and cost, marked where they were not all reported: what is shown is then an estimate, or the least it can have been. */
export function billedWords({ usage, cost }: Pick<RunState, "usage" | "cost">): string[] {
  const rough = usage?.source !== "reported";
  return [
    ...(usage?.output_tokens ? [tokens(usage.output_tokens, rough)] : []),
    ...(cost ? [`${rough ? "~" : ""}${money(cost)}`] : []),
  ];
}

function makePager(siblings: Siblings): HTMLElement {
  const pager = fromTemplate("pager");
  setText(find(pager, ".num"), `${siblings.index}/${siblings.count}`);
  const [previous, next] = pager.querySelectorAll<HTMLButtonElement>("button");
  for (const [button, leaf] of [[previous, siblings.previous], [next, siblings.next]] as const) {
    if (!button) continue;
    button.disabled = leaf === null;
    button.dataset["leaf"] = leaf ?? "";
  }
  return pager;
}

function setSpans(parent: HTMLElement, words: string[]): void {
  while (parent.children.length > words.length) parent.lastElementChild?.remove();
  words.forEach((word, index) => {
    const span = parent.children[index] ?? parent.appendChild(document.createElement("span"));
    setText(span, word);
  });
}
