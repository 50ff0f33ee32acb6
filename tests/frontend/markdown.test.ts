import assert from "node:assert/strict";
import { test } from "node:test";
import { BlockSplitter } from "../../chat/frontend/src/markdown/blocks";
import { needsWhole, renderMarkdown, type Env } from "../../chat/frontend/src/markdown/engine";
import { fixtures, spelling } from "./fixtures";

interface MarkdownFixture {
  source: string;
  html: string;
}

const texts = fixtures<MarkdownFixture>("markdown");

function renderInBlocks(source: string, pieces: Iterable<string>): string {
  const splitter = new BlockSplitter();
  const env: Env = {};
  let html = "";
  for (const piece of pieces) for (const block of splitter.push(piece)) html += renderMarkdown(block.source, env);
  for (const block of splitter.end()) html += renderMarkdown(block.source, env);
  return needsWhole(source, env) ? renderMarkdown(source) : html;
}

for (const [file, { source, html }] of texts) {
  test(`the browser renders as the server does (${file})`, () => {
    assert.equal(spelling(renderMarkdown(source)), spelling(html));
  });

  test(`rendering block by block equals rendering the whole (${file})`, () => {
    assert.equal(renderInBlocks(source, source), renderMarkdown(source));
    assert.equal(renderInBlocks(source, [source]), renderMarkdown(source));
  });
}

test("any order of lines renders block by block as it does whole", () => {
  const lines = [...new Set(texts.flatMap(([, { source }]) => source.split("\n")))].filter((line) => !/^\[\w+\]: /.test(line));
  let seed = 20260105;
  const random = (below: number): number => {
    seed = (seed * 1103515245 + 12345) % 2147483648;
    return Math.floor((seed / 2147483648) * below);
  };
  for (let round = 0; round < 4000; round++) {
    const picked = Array.from({ length: 2 + random(9) }, () => (random(3) === 0 ? "" : (lines[random(lines.length)] ?? "")));
    const source = picked.join("\n");
    assert.equal(renderInBlocks(source, [source]), renderMarkdown(source), JSON.stringify(source));
  }
});

test("a block that is closed is given out once and at once", () => {
  const splitter = new BlockSplitter();
  assert.deepEqual(splitter.push("# Title\nText").map((block) => block.source), ["# Title\n"]);
  assert.deepEqual(splitter.push("\n\n").map((block) => block.source), ["Text\n"]);
  assert.deepEqual(splitter.push("```js\n\n# no heading\n``").length, 0);
  assert.deepEqual(splitter.push("`\nnext").map((block) => block.kind), ["fence"]);
  assert.deepEqual(splitter.end().map((block) => block.source), ["next"]);
});
