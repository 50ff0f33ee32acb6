/** What the notes under an answer say; the twin of chat/templatetags/notes.py. tests/fixtures/notes holds both to it. */

import { counted, duration, money, thousands } from "./format";
import { shownModel } from "./names";
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
/** What to do, where the buttons do not say it. */
const NEXT: Record<string, string> = {
  bad_frame: "Reload the page, then try again.",
  bad_cursor: "Reload the page, then try again.",
  not_found: "It may have been deleted meanwhile.",
  too_large: "Send less at once.",
  model_not_available: "Choose another model.",
  context_too_long: "Choose a model with a larger window, or begin a new chat with what matters.",
  moderation_blocked: "Write it differently.",
  tool_limit: "Ask for less at once.",
  forbidden: "An administrator can allow it.",
  quota_exceeded: "It begins anew with the next period; an administrator can raise it.",
  budget_exceeded: "It begins anew with the next period; an administrator can raise it.",
  provider_rejected: "Another model may answer.",
  provider_garbage: "If it stays so, an administrator has to look at the provider's address.",
  internal: "If it stays so, tell an administrator.",
};
const ASK_STAFF = " An administrator has to look at it.";
const NEXT_FOR_STAFF: Record<string, string> = {
  ...NEXT,
  provider_auth: "Look at its key in the provider's settings.",
  provider_garbage: "If it stays so, look at its address in the provider's settings.",
  internal: "The server's log has the details.",
};
const IN_SETTINGS: ReadonlySet<string> = new Set(["provider_auth", "provider_rejected", "provider_garbage"]);

/** The page where staff may mend it. */
export function pageForStaff(error: ErrorFacts): "providers" | "limits" | "" {
  if (error.phase === "switched_off") return "limits";
  return IN_SETTINGS.has(error.code) ? "providers" : "";
}

export function stoppedWords(figures: Figures, receipt: StopReceipt | undefined): Words {
  return { strong: "Stopped.", rest: sentences(billed(figures), closed(receipt)) };
}

const USED_UP = "What had come is kept. With Continue it goes on once there is something left.";
const LIMITS: Record<string, string> = {
  tool_limit: "The calls that it asked for last were not run. With Continue it goes on from here.",
  quota_exceeded: USED_UP,
  budget_exceeded: USED_UP,
};

export function limitWords(error: ErrorFacts | undefined, figures: Figures): Words {
  const at = figures.tokens ? ` at ${counted(figures.tokens)}` : "";
  return {
    strong: error?.message || `The answer reached its limit${at}.`,
    rest: LIMITS[error?.code ?? ""] ?? "What had come is kept.",
  };
}

export function failedWords(error: ErrorFacts | undefined, figures: Figures, hasText: boolean, staff = false): Words {
  const code = error?.code ?? "";
  const unbilled = code.startsWith("provider_") || code === "context_too_long" || code === "rate_limited";
  const arrived = hasText ? "What had come is kept." : MAY_COME_IN_PART.has(code) ? "Nothing had come." : "";
  const happened = error ? whatHappened(error, shownModel(figures.model) || "The model") : "The answer failed.";
  return {
    strong: staff && happened.endsWith(ASK_STAFF) ? happened.slice(0, -ASK_STAFF.length) : happened,
    rest: sentences(
      howLong(error, figures), arrived, billed(figures) || (unbilled ? "Nothing was billed." : ""),
      (staff ? NEXT_FOR_STAFF : NEXT)[code] ?? "",
    ),
  };
}

function whatHappened(error: ErrorFacts, model: string): string {
  const { code, phase, message } = error;
  if (code === "provider_timeout") return `${model} ${TIMEOUTS[phase ?? ""] ?? "did not answer in time."}`;
  if (code === "rate_limited") return "There was no free place in time.";
  if (message.startsWith(SUBJECT)) return `${model} ${message.slice(SUBJECT.length)}`;
  return message || "The answer failed.";
}

function howLong(error: ErrorFacts | undefined, figures: Figures): string {
  if (error?.code === "provider_timeout") return figures.duration_ms ? `Given up after ${duration(figures.duration_ms)}.` : "";
  const seconds = error?.retry_after_seconds;
  if (!seconds) return "";
  if (error.phase === "left_alone") return `It is tried again in ${waiting(seconds)}.`;
  return error.code === "rate_limited" ? `One may be free in ${waiting(seconds)}.` : `It asks to wait ${waiting(seconds)}.`;
}

/** Beside a button that is better pressed later. */
export function waitLabel(seconds: number): string {
  return `in ${waiting(Math.ceil(seconds))}`;
}

function waiting(seconds: number): string {
  if (seconds >= 120) return `${Math.ceil(seconds / 60)} min`;
  return `${Math.ceil(seconds)} s`;
}

function billed(figures: Figures): string {
  const out = figures.tokens;
  const count = out ? counted(out) : figures.input_tokens ? `${counted(figures.input_tokens)} in` : "";
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
