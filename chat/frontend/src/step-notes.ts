/** What a run's steps have noted, in words; the twin of chat/pages/step_notes.py. tests/fixtures/step_notes holds both to it. */

import { shownModel } from "./names";
import type { Note, Step } from "./protocol";

const ANSWERED: ReadonlySet<string> = new Set(["completed", "limit_reached"]);

const REASONS: Record<string, string> = {
  provider_overloaded: "overloaded",
  provider_timeout: "no answer in time",
  provider_cut: "the line was cut",
  provider_garbage: "what came was no answer",
  provider_rejected: "request refused",
  provider_auth: "key refused",
  context_too_long: "too long for it",
  rate_limited: "no free place",
  internal: "our own fault",
};

const OPTIONS: Record<string, string> = {
  temperature: "a temperature",
  max_output_tokens: "a limit of tokens",
  reasoning_effort: "an effort of thinking",
  tool_choice: "a choice among tools",
  response_schema: "a schema for its answer",
  tools: "tools",
  images: "images",
  files: "files of this kind",
};
const PLURAL: ReadonlySet<string> = new Set(["tools", "images", "files"]);

export function notesOf(steps: readonly Step[]): Note[] {
  return steps.flatMap((step) => step.notes ?? []);
}

/** Who is asked now in a run that began with `model`. */
export function lastAsked(notes: readonly Note[], model: string): string {
  return notes.findLast((note) => note.kind === "other_model")?.model ?? model;
}

export function otherModelWords(notes: readonly Note[], model: string, status: string): string {
  const way = changes(notes, model);
  if (way.length === 0) return "";
  const models = [...way.map((note) => note.instead_of), model];
  const toldApart = new Set(models.map(shownModel)).size === new Set(models).size;
  const name = (one: string): string => (toldApart ? shownModel(one) : one);
  const silent = way.map((note) => `${name(note.instead_of)} did not answer (${REASONS[note.reason] ?? "it failed"})`);
  return `${silent.join(", ")}: ${name(model)} ${ANSWERED.has(status) ? "answered" : "was asked"}.`;
}

export function droppedWords(notes: readonly Note[], model: string, status: string): string {
  const dropped: string[] = [];
  for (const note of notes) {
    if (note.kind === "option_dropped" && note.model === model && !dropped.includes(note.option)) dropped.push(note.option);
  }
  const words = dropped.map((option) => OPTIONS[option] ?? option);
  const last = words.at(-1);
  if (last === undefined) return "";
  const listed = [words.slice(0, -1).join(", "), last].filter(Boolean).join(" or ");
  const them = dropped.length > 1 || PLURAL.has(dropped[0] ?? "") ? "them" : "it";
  return `This model does not take ${listed}; ${ANSWERED.has(status) ? "answered" : "asked"} without ${them}.`;
}

const MODERATED: Record<string, string> = {
  mask: "replaced something here",
  stop: "ended the answer here",
  block: "ended the answer here",
};

/** What rules of the site have done to an answer; a flag is for staff. */
export function moderatedWords(notes: readonly Note[]): string {
  const rules = new Map<string, Set<string>>();
  for (const note of notes) {
    const did = note.kind === "moderation" ? MODERATED[note.action] : undefined;
    if (did && note.kind === "moderation") rules.set(did, (rules.get(did) ?? new Set()).add(note.rule));
  }
  return [...rules].map(([did, named]) => {
    const listed = [...named].map((rule) => `“${rule}”`).join(", ");
    return `The ${named.size > 1 ? "rules" : "rule"} ${listed} of this site ${did}.`;
  }).join(" ");
}

type Change = Extract<Note, { kind: "other_model" }>;

/** How one came to `model`. What led elsewhere, before a run was taken up again, does not count. */
function changes(notes: readonly Note[], model: string): Change[] {
  const found: Change[] = [];
  for (const note of [...notes].reverse()) {
    if (note.kind !== "other_model" || note.model !== model) continue;
    found.unshift(note);
    model = note.instead_of;
  }
  return found;
}
