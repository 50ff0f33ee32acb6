/** The foot of a turn: the same height whether it counts, waits, or offers actions. */

import { find, fromTemplate, setText } from "../dom";
import { money, shortModel, tokens } from "../format";
import type { Progress } from "../live-run";
import { type RunState } from "../protocol";
import { text } from "../text";

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
  setSpans(find(live, ".receipt"), liveWords(model, state, progress, now));
}

function liveWords(model: string, state: RunState, progress: Progress, now: number): string[] {
  const { retry } = progress;
  if (progress.stopping) return [text.stopping];
  if (retry) return [text.retrying(retry.reason, retry.attempt, Math.max(0, Math.ceil((retry.until - now) / 1000)))];
  if (!state.steps.some((step) => step.parts.length > 0)) {
    return [text.waiting(model ? shortModel(model) : "the model", Math.floor((now - progress.since) / 1000))];
  }
  const words = [tokens(Math.ceil(progress.tokens), true)];
  if (progress.rate !== null) words.push(`${Math.round(progress.rate)} tok/s`);
  return words;
}

export function drawEnded(foot: HTMLElement, model: string, state: RunState, progress: Progress, siblings: Siblings | null): void {
  const receipt = document.createElement("span");
  receipt.className = "receipt num";
  const { usage, cost } = state;
  const words = [shortModel(model)];
  if (usage?.output_tokens) words.push(tokens(usage.output_tokens, usage.source !== "reported"));
  if (cost) words.push(money(cost));
  setSpans(receipt, words.filter(Boolean));
  const { finished } = progress;
  receipt.dataset["facts"] = JSON.stringify({
    model, tokens: usage?.output_tokens, input_tokens: usage?.input_tokens, cached_tokens: usage?.cached_tokens, cost,
    usage_source: usage?.source, ttft_ms: finished?.ttft_ms, duration_ms: finished?.duration_ms,
    tokens_per_second: finished?.tokens_per_second,
  });
  const pager = siblings && siblings.count > 1 ? [makePager(siblings)] : [];
  foot.replaceChildren(fromTemplate("actions"), ...pager, receipt);
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
