import assert from "node:assert/strict";
import { test } from "node:test";
import { emptyState, fold } from "../../chat/frontend/src/fold";
import type { RunEvent, RunState } from "../../chat/frontend/src/protocol";
import { fixtures } from "./fixtures";

interface FoldFixture {
  name: string;
  events: RunEvent[];
  state: RunState;
}

function foldAll(events: RunEvent[], from: RunState = emptyState()): RunState {
  return events.reduce(fold, from);
}

for (const [file, { name, events, state }] of fixtures<FoldFixture>("fold")) {
  test(`${name} (${file})`, () => {
    assert.deepEqual(foldAll(events), state);
  });

  test(`a snapshot at any place and the events after it give the same state (${file})`, () => {
    for (let place = 0; place <= events.length; place++) {
      const snapshot: RunEvent = { type: "run.snapshot", state: foldAll(events.slice(0, place)) };
      assert.deepEqual(foldAll([snapshot, ...events.slice(place)]), state, `at ${place}`);
    }
  });

  test(`folding leaves the events as they were (${file})`, () => {
    const before = structuredClone(events);
    foldAll(events);
    assert.deepEqual(events, before);
  });
}
