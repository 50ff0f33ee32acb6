import assert from "node:assert/strict";
import { test } from "node:test";
import { knowModels } from "../../chat/frontend/src/names";
import type { Note } from "../../chat/frontend/src/protocol";
import { droppedWords, lastAsked, moderatedWords, otherModelWords } from "../../chat/frontend/src/step-notes";
import { fixtures } from "./fixtures";

interface StepNoteFixture {
  model: string;
  models?: string[];
  status: string;
  notes: Note[];
  other_model: string;
  dropped: string;
  moderated: string;
}

for (const [file, { model, models, status, notes, other_model, dropped, moderated }] of fixtures<StepNoteFixture>("step_notes")) {
  test(`notes say in the browser what they say after a reload (${file})`, () => {
    knowModels(models ?? []);
    assert.equal(otherModelWords(notes, model, status), other_model);
    assert.equal(droppedWords(notes, model, status), dropped);
    assert.equal(moderatedWords(notes), moderated);
  });
}

test("who is asked now is whom the last change names", () => {
  assert.equal(lastAsked([], "p/a"), "p/a");
  const change: Note = { kind: "other_model", model: "q/b", instead_of: "p/a", reason: "provider_cut" };
  assert.equal(lastAsked([change, { kind: "option_dropped", model: "q/b", option: "tools" }], "p/a"), "q/b");
});
