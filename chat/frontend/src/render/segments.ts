/** What a turn shows, in its order; the twin of chat/templatetags/chat_parts.py. */

import type { Part, Step, ToolCall, ToolResult } from "../protocol";

export interface Call {
  call: ToolCall;
  result: ToolResult | null;
}

export interface Source {
  number: number;
  url: string;
  title: string;
}

export type Segment =
  | { kind: "text" | "reasoning" | "refusal"; text: string }
  | { kind: "tools"; calls: Call[] }
  | { kind: "sources"; sources: Source[] };

const BETWEEN_THOUGHTS = "\n\n";

/** A thought may have no words: only what the provider wants to have back. */
function shows(part: Part): boolean {
  return part.type !== "reasoning" || part.text !== "";
}

/** The last part that there is something to see of. */
export function lastShown(steps: readonly Step[]): Part | undefined {
  for (const step of [...steps].reverse()) {
    const part = step.parts.findLast(shows);
    if (part) return part;
  }
  return undefined;
}

export function segments(steps: readonly Step[]): Segment[] {
  const items: Segment[] = [];
  const sources: Source[] = [];
  const calls = new Map<string, Call>();
  for (const step of steps) for (const part of step.parts) add(part, items, sources, calls);
  if (sources.length > 0) items.push({ kind: "sources", sources });
  return items;
}

function add(part: Part, items: Segment[], sources: Source[], calls: Map<string, Call>): void {
  const last = items.at(-1);
  if (part.type === "text" || part.type === "reasoning" || part.type === "refusal") {
    if (!shows(part)) return;
    if (last && last.kind === part.type) last.text += (part.type === "reasoning" ? BETWEEN_THOUGHTS : "") + part.text;
    else items.push({ kind: part.type, text: part.text });
  } else if (part.type === "tool_call") {
    const call: Call = { call: part, result: null };
    calls.set(part.invocation, call);
    if (last?.kind === "tools") last.calls.push(call);
    else items.push({ kind: "tools", calls: [call] });
  } else if (part.type === "tool_result") {
    const call = calls.get(part.invocation);
    if (call) call.result = part;
  } else if (part.type === "citation") {
    sources.push({ number: sources.length + 1, url: part.url, title: part.title });
  }
}

/** What "Copy as Markdown" copies: the words alone. */
export function sourceOf(steps: readonly Step[]): string {
  return steps.flatMap((step) => step.parts.map((part) => (part.type === "text" ? part.text : ""))).join("");
}
