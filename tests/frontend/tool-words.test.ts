import assert from "node:assert/strict";
import { test } from "node:test";
import { fieldsOf, gistOf, offersAgain, resultText, stateIcon, stateWord, whyWords, type Field } from "../../chat/frontend/src/render/tool-words";
import { fixtures } from "./fixtures";

interface CallFixture {
  call: { status: string; waits_for: string; arguments: unknown; result: unknown };
  word: string;
  icon: string;
  again: boolean;
  why: string;
  result: string;
  fields: Field[];
  gist: string;
}

for (const [file, { call, ...said }] of fixtures<CallFixture>("tool_words")) {
  test(`a call reads in the browser as it reads after a reload (${file})`, () => {
    const { status, waits_for, result } = call;
    const fields = fieldsOf(call.arguments);
    assert.deepEqual(
      {
        word: stateWord(status, waits_for), icon: stateIcon(status, waits_for), again: offersAgain(status), why: whyWords(status, waits_for, result),
        result: resultText(status, result), fields, gist: gistOf(fields),
      },
      said,
    );
  });
}

test("arguments are fields from the first sign to the last, and never lose what they have said", () => {
  const whole = '{"to": "bob@example.org", "cc": ["a", "b\\"c"], "body": "Dear \\u00e4\\\\ Bob,\\n…", "n": -1.5, "ok": true}';
  let known = 0;
  for (let length = 1; length <= whole.length; length++) {
    const fields = fieldsOf(whole.slice(0, length));
    assert.ok(fields.every((field) => field.name !== "arguments"), whole.slice(0, length));
    assert.ok(fields.length >= known, whole.slice(0, length));
    known = fields.length;
  }
  assert.deepEqual(fieldsOf(whole), fieldsOf(JSON.parse(whole)));
});

for (const [name, written] of Object.entries({ nested: "[".repeat(60_000), long: `{"a": [${"1,".repeat(150_000)}` })) {
  test(`half-written arguments hold the page up no longer than their length asks for (${name})`, () => {
    const began = process.cpuUsage();
    const fields = fieldsOf(written);
    const { user } = process.cpuUsage(began);
    assert.ok(user < 2e6, `${user} µs`);
    assert.deepEqual(fields.map(({ name }) => name), [name === "nested" ? "arguments" : "a"]);
  });
}
