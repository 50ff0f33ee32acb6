import assert from "node:assert/strict";
import { test } from "node:test";
import { emptyState } from "../../chat/frontend/src/fold";
import type { Progress } from "../../chat/frontend/src/live-run";
import type { RunState } from "../../chat/frontend/src/protocol";
import { liveWords } from "../../chat/frontend/src/render/foot";

const NOW = 1_000_000;

function words(change: Partial<Progress>, state: RunState = answering()): string {
  const progress: Progress = {
    heardAt: NOW, offline: false, tokens: 120, rate: 42, retry: null, stopping: false, finished: null, calls: new Map(), ...change,
  };
  return liveWords("demo/demo", state, progress, NOW).join(" · ");
}

function answering(): RunState {
  return { ...emptyState(), status: "running", steps: [{ step: 1, finished: false, parts: [{ type: "text", text: "Half" }] }] };
}

test("while text comes, tokens and tokens a second count along", () => {
  assert.equal(words({}), "~120 tok · 42 tok/s");
});

test("before the first word it says for whom it waits, with seconds after the third", () => {
  assert.equal(words({ tokens: 0, heardAt: NOW - 2900 }, emptyState()), "Waiting for demo");
  assert.equal(words({ tokens: 0, heardAt: NOW - 3100 }, emptyState()), "Waiting for demo · 3 s");
});

test("three silent seconds in mid-answer are told instead of a pace of nothing", () => {
  assert.equal(words({ rate: 0, heardAt: NOW - 2000 }), "~120 tok");
  assert.equal(words({ rate: 0, heardAt: NOW - 4000 }), "~120 tok · Waiting for demo · 4 s");
});

test("a tool at work speaks for itself", () => {
  const call = { status: "running", fraction: null, note: "", since: NOW - 9000, durationMs: null };
  assert.equal(words({ calls: new Map([["a", call]]), heardAt: NOW - 9000 }), "~120 tok");
});

test("without a line there is no pace to tell", () => {
  assert.equal(words({ offline: true }), "~120 tok · not connected");
  assert.equal(words({ offline: true, tokens: 0 }, emptyState()), "not connected");
});
