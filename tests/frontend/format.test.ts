import assert from "node:assert/strict";
import { test } from "node:test";
import { duration, estimateTokens, money, shortModel } from "../../chat/frontend/src/format";
import { segments } from "../../chat/frontend/src/render/segments";
import type { Part } from "../../chat/frontend/src/protocol";

test("money shows cents, or as many digits as say something", () => {
  const shown = (amount: string): string => money({ amount, currency: "USD" });
  assert.deepEqual(["20.03", "0.0155", "0.003800", "0.000012", "0", "1234.5"].map(shown), [
    "$20.03", "$0.0155", "$0.0038", "$0.000012", "$0", "$1,234.50",
  ]);
  assert.equal(money({ amount: "1", currency: "EUR" }), "1.00 EUR");
  assert.equal(money(null), "");
});

test("durations are as exact as they matter", () => {
  assert.deepEqual([610, 9300, 38_000, 360_000].map(duration), ["0.61 s", "9.3 s", "38 s", "6 min"]);
});

test("a model's short name is what follows the provider, slashes and all", () => {
  assert.equal(shortModel("router/meta/llama"), "meta/llama");
});

test("a Chinese sign counts as a token, four letters as one", () => {
  assert.equal(estimateTokens("中文"), 2);
  assert.equal(estimateTokens("eight ch"), 2);
});

test("citations do not cut a paragraph in two, results find their calls, neighbours share a frame", () => {
  const parts: Part[] = [
    { type: "reasoning", text: "hm" },
    { type: "text", text: "One " },
    { type: "citation", url: "https://e.org", title: "E", start: 0, end: 3 },
    { type: "text", text: "paragraph." },
    { type: "tool_call", invocation: "a", name: "x", arguments: {} },
    { type: "tool_call", invocation: "b", name: "y", arguments: {} },
    { type: "tool_result", invocation: "a", status: "succeeded", result: 1 },
  ];
  const shown = segments([{ step: 1, finished: true, parts }]);
  assert.deepEqual(shown.map((segment) => segment.kind), ["reasoning", "text", "tools", "sources"]);
  assert.equal(shown[1]?.kind === "text" && shown[1].text, "One paragraph.");
  assert.deepEqual(shown[2]?.kind === "tools" && shown[2].calls.map((call) => call.result?.status ?? null), ["succeeded", null]);
});
