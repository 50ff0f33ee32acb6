import assert from "node:assert/strict";
import { test } from "node:test";
import { emptyState, fold } from "../../chat/frontend/src/fold";
import type { RunEvent } from "../../chat/frontend/src/protocol";
import { argumentsOf, changed, readJson, Unreadable } from "../../chat/frontend/src/render/decision";
import { fieldsOf } from "../../chat/frontend/src/render/tool-words";
import { toolNews } from "../../chat/frontend/src/tool-news";

const ARGUMENTS = { to: "bob", body: "a\nb", copies: 2.5, urgent: false, labels: ["x"], nothing: null, code: "007" };

test("fields that nobody has touched are the arguments as they were", () => {
  assert.deepEqual(argumentsOf(fieldsOf(ARGUMENTS)), ARGUMENTS);
  assert.deepEqual(changed(fieldsOf(ARGUMENTS), fieldsOf(ARGUMENTS)), []);
});

test("an edited field keeps its type, and what is none of it names the field", () => {
  const edit = (name: string, value: string) => fieldsOf(ARGUMENTS).map((field) => (field.name === name ? { ...field, value } : field));
  assert.equal(argumentsOf(edit("copies", " 3 "))["copies"], 3);
  assert.equal(argumentsOf(edit("code", "008"))["code"], "008");
  assert.deepEqual(argumentsOf(edit("labels", '["y", 1]'))["labels"], ["y", 1]);
  assert.equal(argumentsOf(edit("urgent", "true"))["urgent"], true);
  for (const [name, value] of [["copies", "three"], ["copies", ""], ["labels", "[y]"]] as const) {
    assert.throws(() => argumentsOf(edit(name, value)), (error) => error instanceof Unreadable && error.field === name && error.message.startsWith(name));
  }
  assert.deepEqual(changed(fieldsOf(ARGUMENTS), edit("copies", "3")), ["copies"]);
  assert.throws(() => readJson("{"), Unreadable);
});

test("what happens to a tool is said in a sentence, at once only where somebody has to know", () => {
  const state = fold(emptyState(), { type: "tool.started", invocation: "a", name: "send_message" });
  const said = (event: RunEvent) => toolNews(state, event);
  assert.deepEqual(said({ type: "tool.waiting", invocation: "a", for: "approval" }), {
    sentence: "send_message waits for your decision.", isNews: true,
  });
  assert.deepEqual(said({ type: "tool.running", invocation: "a", attempt: 1 }), { sentence: "send_message is running.", isNews: false });
  assert.deepEqual(said({ type: "tool.finished", invocation: "b", status: "failed", result: "", duration_ms: 1 }), {
    sentence: "A tool failed.", isNews: true,
  });
  assert.equal(said({ type: "tool.progress", invocation: "a", fraction: 0.5, note: "" }), null);
});
