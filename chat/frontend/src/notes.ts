/** What the notes under an answer say; the twin of chat/templatetags/notes.py. tests/fixtures/notes holds both to it. */

import { duration, money, shortModel, thousands } from "./format";
import type { ErrorFacts, Money, StopReceipt } from "./protocol";

/** The figures of an ended answer, as the receipt has them. */
export interface Figures {
  model: string;
  input_tokens: number | null;
  tokens: number | null;
  usage_source: string;
  cost: Money | null;
  duration_ms: number | null;
}

export interface Words {
  strong: string;
  rest: string;
}

const SUBJECT = "The provider ";
const TIMEOUTS: Record<string, string> = {
  connect: "could not be reached.",
  first_token: "did not begin to answer.",
  idle: "fell silent in mid-answer.",
  total: "did not finish in time.",
};
const SOURCES: Record<string, string> = { reported: ", as reported by the provider", estimated: ", estimated" };
const MAY_COME_IN_PART = new Set(["provider_cut", "provider_timeout", "provider_garbage"]);

export function stoppedWords(figures: Figures, receipt: StopReceipt | undefined): Words {
  return { strong: "Stopped.", rest: sentences(billed(figures), closed(receipt)) };
}

export function failedWords(error: ErrorFacts | undefined, figures: Figures, hasText: boolean): Words {
  const isProvider = error?.code.startsWith("provider_") ?? false;
  const arrived = hasText ? "What had come is kept." : MAY_COME_IN_PART.has(error?.code ?? "") ? "Nothing had come." : "";
  return {
    strong: error ? whatHappened(error, shortModel(figures.model) || "The model") : "The answer failed.",
    rest: sentences(howLong(error, figures), arrived, billed(figures) || (isProvider ? "Nothing was billed." : "")),
  };
}

function whatHappened(error: ErrorFacts, model: string): string {
  const { code, phase, message } = error;
  if (code === "provider_timeout") return `${model} ${TIMEOUTS[phase ?? ""] ?? "did not answer in time."}`;
  if (message.startsWith(SUBJECT)) return `${model} ${message.slice(SUBJECT.length)}`;
  return message || "The answer failed.";
}

function howLong(error: ErrorFacts | undefined, figures: Figures): string {
  if (error?.code === "provider_timeout") return figures.duration_ms ? `Given up after ${duration(figures.duration_ms)}.` : "";
  const seconds = error?.retry_after_seconds;
  return seconds ? `It asks to wait ${waiting(seconds)}.` : "";
}

function waiting(seconds: number): string {
  if (seconds >= 120) return `${Math.ceil(seconds / 60)} min`;
  return `${seconds < 1 ? seconds.toFixed(2) : Math.ceil(seconds)} s`;
}

function billed(figures: Figures): string {
  const out = figures.tokens;
  const count = out ? `${thousands(out)} tokens` : figures.input_tokens ? `${thousands(figures.input_tokens)} tokens in` : "";
  if (!count) return "";
  const price = money(figures.cost);
  return `Billed: ${count}${price && `, ${price}`}${SOURCES[figures.usage_source] ?? ""}.`;
}

function closed(receipt: StopReceipt | undefined): string {
  if (!receipt?.upstream_closed_at) return "";
  const took = microseconds(receipt.upstream_closed_at) - microseconds(receipt.requested_at);
  if (!Number.isFinite(took)) return "";
  return `The line upstream closed ${thousands(Math.max(0, Math.floor((took + 500) / 1000)))} ms after you asked.`;
}

/** `Date` knows milliseconds only, and rounding twice would show another figure than the server does. */
function microseconds(moment: string): number {
  const fraction = /\.(\d+)/.exec(moment)?.[1] ?? "";
  return Date.parse(moment.replace(/\.\d+/, "")) * 1000 + Number(fraction.slice(0, 6).padEnd(6, "0"));
}

function sentences(...all: string[]): string {
  return all.filter(Boolean).join(" ");
}
