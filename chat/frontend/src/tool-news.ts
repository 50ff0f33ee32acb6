/** What of a tool's events is said aloud: a sentence, and whether it may wait behind another. */

import type { RunEvent, RunState } from "./protocol";
import { text } from "./text";

export interface News {
  sentence: string;
  /** Somebody has to know it now. */
  isNews: boolean;
}

const URGENT: ReadonlySet<string> = new Set(["approval", "failed", "timed_out", "unknown", "rejected"]);

export function toolNews(state: RunState, event: RunEvent): News | null {
  if (event.type !== "tool.waiting" && event.type !== "tool.running" && event.type !== "tool.finished") return null;
  const what = event.type === "tool.waiting" ? event.for : event.type === "tool.running" ? "running" : event.status;
  const sentence = text.announce.tool[what]?.(nameOf(state, event.invocation));
  return sentence ? { sentence, isNews: URGENT.has(what) } : null;
}

function nameOf(state: RunState, invocation: string): string {
  for (const step of state.steps) {
    for (const part of step.parts) if (part.type === "tool_call" && part.invocation === invocation) return part.name;
  }
  return text.aTool;
}
