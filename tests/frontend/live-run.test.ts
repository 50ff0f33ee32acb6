import assert from "node:assert/strict";
import { test } from "node:test";
import { emptyState } from "../../chat/frontend/src/fold";
import { LiveRun } from "../../chat/frontend/src/live-run";
import type { Note, RunEvent } from "../../chat/frontend/src/protocol";
import type { TurnView } from "../../chat/frontend/src/render/turn";

Object.assign(globalThis, { requestAnimationFrame: () => 0, window: globalThis });

const STARTED: RunEvent[] = [
  { type: "run.started", model: "p/large", message: "m" },
  { type: "step.started", step: 1, model: "p/large" },
];

function follow(...events: RunEvent[]): LiveRun {
  const live = new LiveRun("r", { model: "p/large", update: () => undefined } as unknown as TurnView, () => 1_000_000);
  for (const event of [...STARTED, ...events]) live.take(event);
  return live;
}

test("a place in the line is gone with the first word, with a reset, and with whatever else is told", () => {
  const waiting: RunEvent = { type: "run.waiting", place: 2 };
  assert.deepEqual(follow(waiting).progress.line, { place: 2, since: 1_000_000 });
  assert.equal(follow(waiting, { type: "text.delta", text: "w" }).progress.line, null);
  assert.equal(follow(waiting, { type: "step.started", step: 1, model: "p/large" }).progress.line, null);
  assert.equal(follow(waiting, { type: "run.waiting", place: 0 }).progress.line, null);
});

test("what another try will replace is marked until a word of it comes", () => {
  const reset: RunEvent[] = [
    { type: "text.delta", text: "Half" },
    { type: "step.reset", step: 1, reason: "retrying" },
    { type: "run.retrying", attempt: 2, wait_ms: 500, reason: "provider_cut" },
  ];
  assert.equal(follow(...reset).progress.again, true);
  assert.deepEqual(follow(...reset).progress.retry, { attempt: 2, reason: "provider_cut", until: 1_000_500 });
  const sealed = follow(...reset, { type: "reasoning.delta", text: "", opaque: "seal" });
  assert.equal(sealed.progress.again, true);
  const goesOn = follow(...reset, { type: "text.delta", text: "W" });
  assert.deepEqual([goesOn.progress.again, goesOn.progress.retry], [false, null]);
});

const SECOND: RunEvent[] = [
  { type: "step.started", step: 1, model: "q/small" },
  { type: "step.note", step: 1, kind: "other_model", model: "q/small", instead_of: "p/large", reason: "provider_overloaded" },
];

function again(attempt: number): RunEvent {
  return { type: "run.retrying", attempt, wait_ms: 500, reason: "provider_overloaded" };
}

test("tries are counted for each model, whatever the others have tried", () => {
  assert.equal(follow(again(2), again(3)).progress.retry?.attempt, 3);
  assert.equal(follow(again(2), ...SECOND).progress.retry, null);
  assert.equal(follow(again(2), ...SECOND, again(4)).progress.retry?.attempt, 2);
  assert.equal(follow(...SECOND, again(2)).progress.retry?.attempt, 2);
});

test("after a snapshot a try has its number only where one model was asked", () => {
  const snapshot = (...notes: Note[]): RunEvent => ({
    type: "run.snapshot", state: { ...emptyState(), status: "running", steps: [{ step: 1, finished: false, parts: [], notes }] },
  });
  assert.equal(follow(snapshot(), again(3)).progress.retry?.attempt, 3);
  const changed: Note = { kind: "other_model", model: "q/small", instead_of: "p/large", reason: "provider_cut" };
  assert.equal(follow(snapshot(changed), again(6)).progress.retry?.attempt, null);
});

test("calls of a step that is made again are at work no more", () => {
  const live = follow(
    { type: "tool.started", invocation: "a", name: "look_up" },
    { type: "tool.running", invocation: "a", attempt: 1 },
    { type: "step.reset", step: 1, reason: "retrying" },
  );
  assert.equal(live.progress.calls.size, 0);
});

test("the turn names who is asked, told by an event or by a snapshot", () => {
  const note = { kind: "other_model", model: "q/small", instead_of: "p/large", reason: "provider_overloaded" } as const;
  assert.equal(follow({ type: "step.note", step: 1, ...note }).turn.model, "q/small");
  assert.equal(follow({ type: "step.started", step: 1, model: "q/small" }).turn.model, "q/small");
  const state = { status: "running", message: "m", steps: [{ step: 1, finished: false, parts: [], notes: [note] }], usage: null, cost: null } as const;
  assert.equal(follow({ type: "run.snapshot", state: structuredClone(state) as never }).turn.model, "q/small");
});
