import assert from "node:assert/strict";
import { test } from "node:test";
import { emptyState } from "../../chat/frontend/src/fold";
import type { Progress } from "../../chat/frontend/src/live-run";
import type { RunState, ToolCall } from "../../chat/frontend/src/protocol";
import { billedWords, liveWords } from "../../chat/frontend/src/render/foot";
import { ordinal } from "../../chat/frontend/src/text";

const NOW = 1_000_000;

function words(change: Partial<Progress>, state: RunState = answering()): string {
  const progress: Progress = {
    heardAt: NOW, offline: false, tokens: 120, rate: 42, retry: null, line: null, again: false, restarted: false,
    stopping: false, finished: null, calls: new Map(), ...change,
  };
  return liveWords("demo/demo", state, progress, NOW).join(" · ");
}

function answering(): RunState {
  return { ...emptyState(), status: "running", steps: [{ step: 1, finished: false, parts: [{ type: "text", text: "Half" }] }] };
}

function calling(...calls: Partial<ToolCall>[]): RunState {
  const state = answering();
  calls.forEach((call, index) => state.steps[0]?.parts.push({ type: "tool_call", invocation: String(index), name: "x", arguments: {}, ...call }));
  return state;
}

test("what was billed is marked where it was not all reported", () => {
  const usage = { input_tokens: 9, output_tokens: 1200, cached_tokens: null, cache_write_tokens: null, reasoning_tokens: null };
  const cost = { amount: "0.0123", currency: "USD" };
  assert.deepEqual(billedWords({ usage: { ...usage, source: "reported" }, cost }), ["1,200 tok", "$0.0123"]);
  assert.deepEqual(billedWords({ usage: { ...usage, source: "estimated" }, cost }), ["~1,200 tok", "~$0.0123"]);
  assert.deepEqual(billedWords({ usage: { ...usage, source: "unknown" }, cost }), ["~1,200 tok", "~$0.0123"]);
  assert.deepEqual(billedWords({ usage: null, cost: null }), []);
});

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
  assert.equal(words({ heardAt: NOW - 9000 }, calling({ status: "running" })), "~120 tok");
  assert.equal(words({ heardAt: NOW - 9000 }, calling({ status: "waiting", for: "callback" }, { status: "running" })), "~120 tok");
});

test("an answer whose tools all wait says for whom", () => {
  const approval = { status: "waiting", for: "approval" } as const;
  const callback = { status: "waiting", for: "callback" } as const;
  assert.equal(words({ heardAt: NOW - 9000 }, calling(callback, approval)), "~120 tok · Waits for your decision");
  assert.equal(words({ heardAt: NOW - 9000 }, calling(callback)), "~120 tok · Waits for an answer from elsewhere");
});

test("without a line there is no pace to tell", () => {
  assert.equal(words({ offline: true }), "~120 tok · not connected");
  assert.equal(words({ offline: true, tokens: 0 }, emptyState()), "not connected");
});

test("a line tells the place, with seconds after the third", () => {
  assert.equal(words({ tokens: 0, line: { place: 3, since: NOW - 1000 } }, emptyState()), "Waiting for a free place: 3rd in line");
  assert.equal(words({ tokens: 0, line: { place: 1, since: NOW - 4100 } }, emptyState()), "Waiting for a free place: next in line · 4 s");
});

test("places are ordinals", () => {
  assert.deepEqual([2, 3, 4, 11, 12, 13, 21, 22, 101, 111, 1002].map(ordinal), [
    "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "22nd", "101st", "111th", "1,002nd",
  ]);
});

test("another try is counted down to, with the reason, and then waited for", () => {
  const retry = (until: number): Partial<Progress> => ({ tokens: 0, retry: { attempt: 2, reason: "provider_overloaded", until } });
  assert.equal(words(retry(NOW + 2300), emptyState()), "The provider is overloaded. Second try in 3 s");
  assert.equal(words(retry(NOW - 1), emptyState()), "The provider is overloaded. Second try now");
  assert.equal(words({ ...retry(NOW - 4200), heardAt: NOW - 5000 }, emptyState()), "Second try. Waiting for demo · 4 s");
});

test("a try of which the number is not known is another one", () => {
  const retry = { attempt: null, reason: "provider_overloaded", until: NOW + 500 };
  assert.equal(words({ tokens: 0, retry }, emptyState()), "The provider is overloaded. Another try in 1 s");
});

test("every error that is tried again has its reason in words", () => {
  for (const reason of ["provider_overloaded", "provider_timeout", "provider_cut", "provider_garbage"]) {
    const said = words({ retry: { attempt: 3, reason, until: NOW + 500 } });
    assert.match(said, /^(The provider|What came) .*\. Third try in 1 s$/);
    assert.doesNotMatch(said, /The provider failed/);
  }
});

test("a thought without words is still waited for", () => {
  const sealed: RunState = { ...emptyState(), status: "running", steps: [{ step: 1, finished: false, parts: [{ type: "reasoning", text: "", opaque: 1 }] }] };
  assert.equal(words({ tokens: 0 }, sealed), "Waiting for demo");
});
