/** The fold: events in, what the run has said out. The law is tests/fixtures/fold/README.md; Python folds by the same fixtures. */

import type { Note, Part, RunEvent, RunState, Step, ToolCall } from "./protocol";

export function emptyState(): RunState {
  return { status: "queued", message: null, steps: [], usage: null, cost: null };
}

/** Changes `state` in place (an answer has thousands of deltas) and returns the state that holds now. */
export function fold(state: RunState, event: RunEvent): RunState {
  switch (event.type) {
    case "run.snapshot":
      return structuredClone(event.state);
    case "run.started":
      state.status = "running";
      state.message = event.message;
      break;
    case "step.started":
      openStep(state, event.step);
      break;
    case "step.reset": {
      const step = findStep(state, event.step);
      if (step) Object.assign(step, { finished: false, parts: [] });
      break;
    }
    case "step.finished": {
      const step = findStep(state, event.step);
      if (step) step.finished = true;
      break;
    }
    case "step.note": {
      const { type: _, step: number, ...note } = event;
      const step = findStep(state, number);
      if (step) step.notes = [...(step.notes ?? []), note];
      break;
    }
    case "moderation.flagged": {
      const step = lastStep(state);
      const note: Note = { kind: "moderation", rule: event.rule, action: event.action };
      const known = step.notes?.some((one) => one.kind === "moderation" && one.rule === note.rule && one.action === note.action);
      if (!known) step.notes = [...(step.notes ?? []), note];
      break;
    }
    case "run.finished":
      for (const step of state.steps) {
        for (const part of step.parts) if (part.type === "tool_call") forgetHowItStands(part);
      }
      state.status = event.status;
      state.usage = event.usage;
      state.cost = event.cost;
      break;
    case "text.delta":
      appendText(state, "text", event.text);
      break;
    case "reasoning.delta":
      if (event.opaque == null) appendText(state, "reasoning", event.text);
      else sign(state, event.text, event.opaque);
      break;
    case "refusal.delta":
      appendText(state, "refusal", event.text);
      break;
    case "citation":
    case "image":
      lastStep(state).parts.push({ ...event });
      break;
    case "image.box":
      lastStep(state).parts.push({ ...event, type: "box" });
      break;
    case "tool.started":
      lastStep(state).parts.push({
        type: "tool_call",
        invocation: event.invocation,
        name: event.name,
        arguments: "",
      });
      break;
    case "tool.arguments.delta": {
      const call = findCall(state, event.invocation)?.call;
      if (call && typeof call.arguments === "string") call.arguments += event.text;
      break;
    }
    case "tool.ready": {
      const call = findCall(state, event.invocation)?.call;
      if (call) {
        call.arguments = event.arguments;
        forgetHowItStands(call);
      }
      break;
    }
    case "tool.waiting": {
      const call = findCall(state, event.invocation)?.call;
      if (call) Object.assign(call, { status: "waiting", for: event.for });
      break;
    }
    case "tool.running": {
      const call = findCall(state, event.invocation)?.call;
      if (call) {
        forgetHowItStands(call);
        call.status = "running";
      }
      break;
    }
    case "tool.finished": {
      const found = findCall(state, event.invocation);
      if (found) forgetHowItStands(found.call);
      const step = found?.step ?? lastStep(state);
      const { invocation, status, result, files } = event;
      step.parts.push({ type: "tool_result", invocation, status, result, ...(files?.length ? { files } : {}) });
      break;
    }
    default:
      break; // the rest tells how the run is going, not what it said
  }
  return state;
}

function findStep(state: RunState, number: number): Step | undefined {
  return state.steps.find((step) => step.step === number);
}

function openStep(state: RunState, number: number): Step {
  const known = findStep(state, number);
  if (known) {
    known.finished = false;
    return known;
  }
  const step: Step = { step: number, finished: false, parts: [] };
  state.steps.push(step);
  return step;
}

function lastStep(state: RunState): Step {
  return state.steps.at(-1) ?? openStep(state, 1);
}

function appendText(state: RunState, type: "text" | "reasoning" | "refusal", text: string): void {
  const parts = lastStep(state).parts;
  const last: Part | undefined = parts.at(-1);
  if (last?.type === type && !isClosed(last)) last.text += text;
  else parts.push({ type, text });
}

/** What is opaque goes back to the provider as it came; nothing of it is shown. It closes the thought it belongs to. */
function sign(state: RunState, text: string, opaque: unknown): void {
  if (text) appendText(state, "reasoning", text);
  const { parts } = lastStep(state);
  const open = parts.findLast((part) => part.type === "reasoning" && !isClosed(part));
  if (open) Object.assign(open, { opaque });
  else parts.push({ type: "reasoning", text: "", opaque });
}

function isClosed(part: Part): boolean {
  return "opaque" in part;
}

/** What is said of a call while it waits or runs; its result says the rest. */
function forgetHowItStands(call: ToolCall): void {
  delete call.status;
  delete call.for;
}

function findCall(state: RunState, invocation: string): { step: Step; call: ToolCall } | undefined {
  for (const step of state.steps) {
    for (const part of step.parts) {
      if (part.type === "tool_call" && part.invocation === invocation) return { step, call: part };
    }
  }
  return undefined;
}
