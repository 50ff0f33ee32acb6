/** A tool call in words and fields; the twin of chat/pages/tool_words.py. tests/fixtures/tool_words holds both to it. */

import { readPartial } from "./partial-json";

/** `line` and `text` are strings, the rest is written as JSON is. */
export type FieldKind = "line" | "text" | "number" | "flag" | "json";

export interface Field {
  name: string;
  kind: FieldKind;
  value: string;
}

const WORDS: Record<string, string> = {
  pending: "Waits its turn", waiting: "Waits for you", running: "Running", succeeded: "Done", failed: "Failed",
  rejected: "Rejected", cancelled: "Cancelled", timed_out: "Timed out", unknown: "Outcome unknown",
};
const WAITS: Record<string, string> = { callback: "Waits for an answer", client: "Waits for a program" };
const ICONS: Record<string, string> = { succeeded: "check", failed: "x", timed_out: "x", unknown: "warn" };

const WHY_IT_WAITS: Record<string, string> = {
  approval: "Nothing happens until you decide.",
  callback: "Another system is at work on it and will call back. You can close this tab.",
  client: "The program that asked for this answer runs it and will say what came of it.",
};
const TOLD = "The model was told so.";
const NOT_RUN = "You said no. It was not run, and the model was told so.";
/** Where the model is told of a rejection: chat/actions/invocations.py. */
const REASON = /Their reason: ([\s\S]+)$/;
/** How a call ends that has nothing to say of itself. */
const ENDS: Record<string, string> = {
  failed: "It failed.",
  timed_out: "Nobody answered in time.",
};
const WITHOUT_RESULT: Record<string, string> = {
  cancelled: "It was stopped before it had a result.",
  unknown: "What ran it was lost on the way, so nobody knows whether it took effect. Check that before you ask for it again.",
};
const AGAIN = new Set(["failed", "timed_out", "unknown"]);
/** Longer than this it is no sentence, and folded away. */
const SENTENCE = 300;
const LINE = 60;
const GIST = 120;

/** With what it waits for, where it waits. */
export function stateWord(status: string, waitsFor: string): string {
  return (status === "waiting" ? WAITS[waitsFor] : undefined) ?? WORDS[status] ?? status;
}

export function stateIcon(status: string, waitsFor: string): string {
  if (status === "waiting") return waitsFor === "approval" ? "user" : "";
  return ICONS[status] ?? "";
}

/** Why it stands as it does, in sentences; nothing where that needs none. */
export function whyWords(status: string, waitsFor: string, result: unknown): string {
  if (status === "waiting") return WHY_IT_WAITS[waitsFor] ?? "";
  if (status === "succeeded") return isNothing(result) ? "It gave nothing back." : "";
  if (status === "rejected") {
    const reason = typeof result === "string" ? REASON.exec(result)?.[1]?.trim() : undefined;
    return reason ? `“${reason}” ${NOT_RUN}` : NOT_RUN;
  }
  const end = ENDS[status];
  if (end === undefined) return WITHOUT_RESULT[status] ?? "";
  return isSentence(result) ? `${closed(result)} ${TOLD}` : `${end} ${TOLD}`;
}

/** What stands in the fold: JSON drawn out, text as it is; nothing where the sentences say all of it. */
export function resultText(status: string, result: unknown): string {
  if (isNothing(result) || status === "rejected" || status in WITHOUT_RESULT) return "";
  if (status in ENDS && isSentence(result)) return "";
  return typeof result === "string" ? drawnOut(result) : pretty(result);
}

/** Whether another answer may do better, once this one has ended. */
export function offersAgain(status: string): boolean {
  return AGAIN.has(status);
}

export function fieldsOf(written: unknown): Field[] {
  if (typeof written !== "string") return inFields(written);
  if (!written.trim()) return [];
  const read = readPartial(written);
  try {
    if (read !== undefined) return inFields(read);
  } catch {
    // nested more deeply than can be written
  }
  return [{ name: "arguments", kind: "text", value: written }];
}

function inFields(read: unknown): Field[] {
  if (!isObject(read)) return [fieldOf("arguments", read)];
  return Object.entries(read).map(([name, value]) => fieldOf(name, value));
}

export function gistOf(fields: readonly Field[]): string {
  return fields.map((field) => field.value.replace(/\s+/g, " ")).join(", ").slice(0, GIST);
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return value !== null && typeof value === "object" && !Array.isArray(value);
}

export function pretty(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value, null, 2);
}

function fieldOf(name: string, value: unknown): Field {
  let kind: FieldKind = "json";
  if (typeof value === "string") kind = value.length > LINE || value.includes("\n") ? "text" : "line";
  else if (typeof value === "number") kind = "number";
  else if (typeof value === "boolean") kind = "flag";
  return { name, kind, value: short(value) || pretty(value) };
}

/** A list or an object that fits into a line; "" for one that does not, and for anything else. */
function short(value: unknown): string {
  if (value === null || typeof value !== "object") return "";
  const written = JSON.stringify(value);
  return written.length <= LINE ? written : "";
}

function isNothing(result: unknown): boolean {
  return result === null || result === undefined || result === "";
}

function isSentence(result: unknown): result is string {
  return typeof result === "string" && result !== "" && result.length <= SENTENCE && !/[\n{}]/.test(result);
}

function closed(sentence: string): string {
  const trimmed = sentence.trim();
  return /[.!?。！？]$/.test(trimmed) ? trimmed : `${trimmed}.`;
}

function drawnOut(result: string): string {
  if (!/^\s*[[{]/.test(result)) return result;
  try {
    return JSON.stringify(JSON.parse(result), null, 2);
  } catch {
    return result;
  }
}
