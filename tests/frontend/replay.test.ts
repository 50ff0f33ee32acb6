// The pace of a stream that is played again.

import assert from "node:assert/strict";
import { test } from "node:test";
import { shownAfter, wholeTime } from "../../chat/frontend/src/office/replay";

test("pieces come at an even pace, and all of them by the end", () => {
  assert.equal(shownAfter(0, 1000, 10), 0);
  assert.equal(shownAfter(550, 1000, 10), 5);
  assert.equal(shownAfter(1000, 1000, 10), 10);
  assert.equal(shownAfter(9000, 1000, 10), 10);
});

test("without a duration everything is there at once", () => {
  assert.equal(shownAfter(0, 0, 10), 10);
});

test("it lasts as long as it had taken, or as its pace says", () => {
  assert.equal(wholeTime("recorded", 1234, 50), 1234);
  assert.equal(wholeTime("100", 1234, 50), 500);
  assert.equal(wholeTime("0", 1234, 50), 0);
});
