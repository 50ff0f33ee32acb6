/** What a form of fields says about a call that waits for somebody's decision. */

import type { Field } from "./tool-words";

export interface Decision {
  invocation: string;
  decision: "approve" | "reject";
  /** Only where they are not as the model wrote them. */
  arguments?: unknown;
  reason?: string;
}

/** Carried by a `decide` event from a card to whoever has the line, who tells that it was taken, or why it was not. */
export interface Asked extends Decision {
  taken: () => void;
  failed: (why: string) => void;
}

export class Unreadable extends Error {
  constructor(readonly field: string, why: string) {
    super(why);
  }
}

/** The fields as arguments again. Throws `Unreadable` with a sentence that names the field. */
export function argumentsOf(fields: readonly Field[]): Record<string, unknown> {
  return Object.fromEntries(fields.map((field) => [field.name, valueOf(field)]));
}

export function readJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw new Unreadable("", "This is not JSON.");
  }
}

function valueOf({ name, kind, value }: Field): unknown {
  if (kind === "line" || kind === "text") return value;
  if (kind === "flag") return value === "true";
  if (kind === "number") {
    const number = Number(value.trim());
    if (value.trim() === "" || !Number.isFinite(number)) throw new Unreadable(name, `${name} has to be a number.`);
    return number;
  }
  try {
    return JSON.parse(value) as unknown;
  } catch {
    throw new Unreadable(name, `${name} has to be JSON: a list, an object, a number, true, false or null.`);
  }
}

/** Which of them were changed, by name. */
export function changed(before: readonly Field[], after: readonly Field[]): string[] {
  return after.filter((field, index) => field.value !== before[index]?.value).map((field) => field.name);
}
