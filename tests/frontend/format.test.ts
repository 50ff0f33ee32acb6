import assert from "node:assert/strict";
import { test } from "node:test";
import { moment, timeOfKey } from "../../chat/frontend/src/details";
import { duration, estimateTokens, fileSize, inOwnTime, languageOfText, money, shortModel } from "../../chat/frontend/src/format";
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

test("sizes are as exact as they matter", () => {
  assert.deepEqual([0, 1, 999, 1000, 3977, 999_499, 999_500, 20_000_000].map(fileSize), [
    "0 bytes", "1 byte", "999 bytes", "1 kB", "4 kB", "999 kB", "1.0 MB", "20.0 MB",
  ]);
});

test("durations are as exact as they matter", () => {
  assert.deepEqual([610, 615, 9300, 38_000, 119_499, 360_000].map(duration), ["0.61 s", "0.62 s", "9.3 s", "38 s", "119 s", "6 min"]);
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

test("text that is mostly Chinese says so", () => {
  assert.equal(languageOfText("数据库的索引 (B-tree) 在写入时需要更新。"), "zh");
  assert.equal(languageOfText("The sign 中 means middle."), "");
  assert.equal(languageOfText("これは日本語の文章です。漢字もあります。"), "");
  assert.equal(languageOfText(""), "");
  assert.equal(languageOfText("Latin first. ".repeat(20) + "然后是中文。".repeat(50)), "");
});

test("a key tells when its row was made, and a day of another year its year", () => {
  const when = timeOfKey("01988f4e-6c00-7abc-8def-0123456789ab");
  assert.equal(when?.getTime(), 0x01988f4e6c00);
  assert.equal(timeOfKey("9b2e4c1a-0000-4abc-8def-0123456789ab"), null);
  const day = new Date(2026, 10, 20, 9, 14, 7);
  assert.equal(moment(day, "en", new Date(2026, 11, 1)), "20 Nov, 09:14:07");
  assert.equal(moment(day, "en", new Date(2027, 0, 1)), "20 Nov 2026, 09:14:07");
});

test("when a quota begins anew is told in the reader's own time", () => {
  const said = "Your limit of 5.00 USD a day is used up. It begins anew on 2 December at 00:00 UTC.";
  assert.equal(
    inOwnTime(said, "2026-12-02T00:00:00+00:00", "Asia/Shanghai"),
    "Your limit of 5.00 USD a day is used up. It begins anew on 2 December at 08:00, your time.",
  );
  assert.equal(inOwnTime(said, null), said);
});
