/** Every sentence the script says, in one place. */

import { money, thousands } from "./format";
import type { ErrorFacts, StopReceipt, Usage, Money } from "./protocol";

export const text = {
  newChat: "New chat",
  said: (model: string) => `${model} said`,
  answering: (model: string) => `${model} is answering`,
  waiting: (model: string, seconds: number) =>
    seconds >= 3 ? `Waiting for ${model} · ${seconds} s` : `Waiting for ${model}`,
  thinking: (seconds: number) => `Thinking for ${seconds} s`,
  thought: (seconds: number | null) => (seconds === null ? "Thoughts" : `Thought for ${Math.max(1, seconds)} s`),
  stopping: "Stopping…",
  retrying: (reason: string, attempt: number, seconds: number) =>
    `${retryReasons[reason] ?? "The provider failed"}. ${tries[attempt] ?? `Try ${attempt}`} ${seconds > 0 ? `in ${seconds} s` : "now"}`,
  answerFailed: "The answer failed.",
  kept: "What had come is kept.",
  limit: (tokens: number | null) =>
    tokens ? `The answer reached its limit at ${thousands(tokens)} tokens.` : "The answer reached its limit.",
  stopped: (usage: Usage | null, cost: Money | null, receipt: StopReceipt | undefined) =>
    [billed(usage, cost), closed(receipt)].filter(Boolean).join(" "),
  notSent: "Not sent.",
  tooLong: "The message is too long to be sent at once.",
  noModel: "There is no model to ask. An administrator can add one.",
  lost: (seconds: number) =>
    seconds > 0
      ? `Connection lost. Trying again in ${seconds} s; answers go on meanwhile.`
      : "Connection lost. Trying again; answers go on meanwhile.",
  signedOut: "You are signed out. What you wrote is kept as a draft.",
  signIn: "Sign in again",
  outdated: "This page is older than the server.",
  reload: "Reload",
  tooMany: (seconds: number) => `Too many connections or commands at once. Trying again in ${seconds} s.`,
  now: "Now",
  next: (queued: string) => `Next: ${queued}`,
  send: "Send",
  queue: "Queue",
  copied: "Copied",
  copy: "Copy",
  context: (tokens: number) => `${Math.round(tokens / 1000)}k context`,
  announce: {
    begun: "The answer begins.",
    completed: "The answer is complete.",
    stopped: "The answer was stopped.",
    failed: (why: string) => `The answer failed: ${why}`,
    limit_reached: "The answer reached its limit.",
  },
  dots: { running: "An answer is running", unread: "Unread answer", waiting: "Waits for your decision" },
  actionFailed: "That did not work. Try again.",
};

const tries: Record<number, string> = { 2: "Second try", 3: "Third try", 4: "Fourth try", 5: "Fifth try" };

const retryReasons: Record<string, string> = {
  provider_cut: "The provider cut the line",
  provider_overloaded: "The provider is overloaded",
  provider_timeout: "The provider did not answer in time",
  rate_limited: "The provider asks for patience",
};

const sources: Record<string, string> = { reported: ", as reported by the provider", estimated: ", estimated" };

function billed(usage: Usage | null, cost: Money | null): string {
  if (!usage?.output_tokens) return "";
  const price = money(cost);
  return `Billed: ${thousands(usage.output_tokens)} tokens${price && `, ${price}`}${sources[usage.source] ?? ""}.`;
}

function closed(receipt: StopReceipt | undefined): string {
  if (!receipt?.upstream_closed_at) return "";
  const ms = Date.parse(receipt.upstream_closed_at) - Date.parse(receipt.requested_at);
  return Number.isFinite(ms) ? `The line upstream closed ${thousands(Math.max(0, ms))} ms after you asked.` : "";
}

export function errorSentence(error: ErrorFacts | undefined): string {
  return error?.message || text.answerFailed;
}
