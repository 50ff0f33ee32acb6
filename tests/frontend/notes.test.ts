import assert from "node:assert/strict";
import { test } from "node:test";
import { knowModels } from "../../chat/frontend/src/names";
import { failedWords, limitWords, stoppedWords, type Figures, type Words } from "../../chat/frontend/src/notes";
import type { ErrorFacts, StopReceipt } from "../../chat/frontend/src/protocol";
import { fixtures } from "./fixtures";

interface NoteFixture extends Words {
  staff?: boolean;
  models?: string[];
  turn: { status: string; text: string; error: ErrorFacts | null; receipt: Figures; stop_receipt: StopReceipt | null };
}

for (const [file, { turn, staff, models, strong, rest }] of fixtures<NoteFixture>("notes")) {
  test(`a note says in the browser what it says after a reload (${file})`, () => {
    knowModels(models ?? []);
    const words = turn.status === "stopped"
      ? stoppedWords(turn.receipt, turn.stop_receipt ?? undefined)
      : turn.status === "limit_reached"
      ? limitWords(turn.error ?? undefined, turn.receipt)
      : failedWords(turn.error ?? undefined, { ...turn.receipt, model: (turn as unknown as Figures).model }, turn.text !== "", staff);
    assert.deepEqual(words, { strong, rest });
  });
}
