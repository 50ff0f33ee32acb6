/** Every sentence the script says, in one place. */

import { inOwnTime, thousands } from "./format";
import type { ErrorFacts } from "./protocol";

export const text = {
  newChat: "New chat",
  said: (model: string) => `${model} said`,
  answering: (model: string) => `${model} is answering`,
  waiting: (model: string, seconds: number) =>
    seconds >= 3 ? `Waiting for ${model} · ${seconds} s` : `Waiting for ${model}`,
  notConnected: "not connected",
  begunAgain: "begun again after a restart",
  thinking: (seconds: number) => (seconds >= 1 ? `Thinking for ${seconds} s` : "Thinking"),
  thought: "Thoughts",
  stopping: "Stopping…",
  inLine: (place: number, seconds: number) =>
    `Waiting for a free place: ${place <= 1 ? "next" : ordinal(place)} in line${seconds >= 3 ? ` · ${seconds} s` : ""}`,
  retrying: (reason: string, attempt: number | null, seconds: number) =>
    `${retryReasons[reason] ?? "The provider failed"}. ${nthTry(attempt)} ${seconds > 0 ? `in ${seconds} s` : "now"}`,
  tryGoesOn: (attempt: number | null, waiting: string) => `${nthTry(attempt)}. ${waiting}`,
  beingWritten: "Being written",
  aTool: "A tool",
  waitsForYou: "Waits for your decision",
  waitsForOthers: "Waits for an answer from elsewhere",
  decideAbout: (tool: string) => `Decide about ${tool}`,
  edited: (fields: readonly string[]) => `Edited: ${fields.join(", ")}`,
  decided: { approve: "Approved. It waits its turn.", reject: "Rejected." },
  notAnObject: "The arguments have to be an object, in braces.",
  answerFailed: "The answer failed.",
  notSent: "Not sent.",
  tooLong: (bytes: number) => `The message is longer than ${Math.floor(bytes / 1024)} kB, the most that can be sent at once.`,
  noModel: "There is no model to ask. An administrator can add one.",
  lost: (seconds: number) =>
    seconds > 0
      ? `Connection lost. Trying again in ${seconds} s; nothing of an answer is lost.`
      : "Connection lost. Trying again; nothing of an answer is lost.",
  delayed: "Live updates are delayed; answers go on and appear about once a second.",
  signedOut: "You are signed out. What you wrote is kept as a draft.",
  signIn: "Sign in",
  gone: "This conversation was deleted.",
  goneWithDraft: "This conversation was deleted. What you wrote is kept as a draft.",
  outdated: "This page is older than the server.",
  reload: "Reload",
  tooMany: (seconds: number) => `Too many connections or commands at once. Trying again in ${seconds} s.`,
  now: "Now",
  next: (queued: string, count: number) => (count > 1 ? `Next, ${count} messages as one: ${queued}` : `Next: ${queued}`),
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
    tool: {
      running: (tool: string) => `${tool} is running.`,
      approval: (tool: string) => `${tool} waits for your decision.`,
      callback: (tool: string) => `${tool} waits for an answer from another system.`,
      client: (tool: string) => `${tool} waits for the program that asked.`,
      succeeded: (tool: string) => `${tool} is done.`,
      failed: (tool: string) => `${tool} failed.`,
      rejected: (tool: string) => `${tool} was rejected.`,
      cancelled: (tool: string) => `${tool} was cancelled.`,
      timed_out: (tool: string) => `${tool} got no answer in time.`,
      unknown: (tool: string) => `Whether ${tool} took effect is not known.`,
    } as Record<string, (tool: string) => string>,
  },
  dots: { running: "An answer is running", unread: "Unread answer", waiting: "Waits for your decision" },
  actionFailed: "That did not work. Try again.",
  notDone: {
    noLine: "The server cannot be reached. Nothing was changed; try again in a moment.",
    signedOut: "You are signed out. Nothing was changed; sign in, then try again.",
    stale: "The server does not take changes from this page any more. Reload it, then try again.",
    gone: "This conversation does not exist any more.",
    trouble: "Something went wrong on the server. Nothing was changed; try again.",
  },
};

const tries: Record<number, string> = { 2: "Second try", 3: "Third try", 4: "Fourth try", 5: "Fifth try" };

function nthTry(attempt: number | null): string {
  return attempt === null ? "Another try" : (tries[attempt] ?? `Try ${attempt}`);
}

/** 2nd, 3rd, 11th, 22nd. */
export function ordinal(place: number): string {
  const tens = place % 100;
  const end = tens > 10 && tens < 14 ? "th" : (["th", "st", "nd", "rd"][place % 10] ?? "th");
  return `${thousands(place)}${end}`;
}

const retryReasons: Record<string, string> = {
  provider_cut: "The provider cut the line",
  provider_garbage: "What came was no answer",
  provider_overloaded: "The provider is overloaded",
  provider_timeout: "The provider did not answer in time",
  rate_limited: "The provider asks for patience",
};

const refusals: Record<string, string> = {
  line_lost: "The connection was lost.",
  signed_out: text.signedOut,
  too_large: "The message is too long to be sent at once.",
  internal: "Something went wrong on the server.",
};

/** Why the server did not take something. */
export function refusalSentence(error: ErrorFacts): string {
  return inOwnTime(error.message, error.resets_at) || (refusals[error.code] ?? text.actionFailed);
}
