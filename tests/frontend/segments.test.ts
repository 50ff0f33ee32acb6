import assert from "node:assert/strict";
import { test } from "node:test";
import type { Part } from "../../chat/frontend/src/protocol";
import { lastShown, segments } from "../../chat/frontend/src/render/segments";

function shown(...parts: Part[]): string[] {
  return segments([{ step: 1, finished: false, parts }]).map((one) => ("text" in one ? `${one.kind}: ${one.text}` : one.kind));
}

test("a thought without words shows nothing and parts no text", () => {
  const sealed: Part = { type: "reasoning", text: "", opaque: { signature: "a" } };
  assert.deepEqual(shown(sealed), []);
  assert.deepEqual(shown({ type: "text", text: "One " }, sealed, { type: "text", text: "two" }), ["text: One two"]);
  assert.equal(lastShown([{ step: 1, finished: false, parts: [{ type: "text", text: "One" }, sealed] }])?.type, "text");
});

test("thoughts in a row stand under one another", () => {
  const one: Part = { type: "reasoning", text: "First.", opaque: 1 };
  assert.deepEqual(shown(one, { type: "reasoning", text: "Second." }), ["reasoning: First.\n\nSecond."]);
});
