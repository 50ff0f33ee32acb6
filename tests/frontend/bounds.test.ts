import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { BlockSplitter } from "../../chat/frontend/src/markdown/blocks";
import { needsWhole, renderMarkdown, type Env } from "../../chat/frontend/src/markdown/engine";
import { closeInline, repair } from "../../chat/frontend/src/markdown/repair";
import { fixtures, spelling } from "./fixtures";

interface BoundsText {
  name: string;
  pieces: [string, number][];
  sha256: string;
}

function renderInBlocks(source: string): string {
  const splitter = new BlockSplitter();
  const env: Env = {};
  let html = "";
  for (const block of [...splitter.push(source), ...splitter.end()]) html += renderMarkdown(block.source, env);
  return needsWhole(source, env) ? renderMarkdown(source) : html;
}

for (const [, texts] of fixtures<BoundsText[]>("markdown_bounds")) {
  for (const { name, pieces, sha256 } of texts) {
    const source = pieces.map(([piece, times]) => piece.repeat(times)).join("");

    test(`beyond the bounds the browser renders as the server does (${name})`, () => {
      assert.equal(createHash("sha256").update(spelling(renderMarkdown(source))).digest("hex"), sha256);
    });

    test(`beyond the bounds blocks still make the whole (${name})`, () => {
      assert.ok(renderInBlocks(source) === renderMarkdown(source));
    });
  }
}

const again = (piece: string) => (length: number) => piece.repeat(Math.ceil(length / piece.length)).slice(0, length);

const hostile: Record<string, (length: number) => string> = {
  "growing ticks": (length) => Array.from({ length: Math.sqrt(2 * length) }, (_, run) => `${"`".repeat(run + 1)}a`).join(""),
  "brackets that end in a link": again(`${"[".repeat(200)}](x)\n\n`),
  "pictures in pictures": again(`${"![".repeat(100)}a${"](x)".repeat(100)}\n\n`),
  "emphasis in emphasis": (length) => "*a ".repeat(length / 6) + " a*".repeat(length / 6),
  "lists in lists": again(Array.from({ length: 30 }, (_, depth) => `${"  ".repeat(depth)}- a\n`).join("")),
  "lazy lines under quotes": (length) => `${">".repeat(45)}a\n${again("b\n")(length)}`,
  "wide rows": (length) => `${"|a".repeat(100)}\n${"|-".repeat(100)}\n${again("b\n")(length)}`,
  "one reference, often": (length) => `[a]: http://${"b".repeat(length)}\n\n${again("[a] ")(length)}`,
  "spaces before a letter": (length) => `${" ".repeat(length)}a`,
  "a dash, spaces, a letter": (length) => `a|b\n-${" ".repeat(length)}a`,
  "a fence, spaces, a tick": (length) => `\`\`\`${" ".repeat(length)}\``,
};
for (const piece of [
  ...["http://a", "http://a.b/(", "http://a.b ", "://", "mailto:a@b.c ", "//a.b ", "![", "[", "[a](", "[a\n", "![](", "[a](b"],
  ...["[[a](b)", "<", "<a:", "&", "&amp;", "\\", "*a_", "*a]", "*a **b ", "~~*_", "`", ">", "- ", "1. ", "- > ", "|", "|a|b|\n"],
  ...["a\n", "a\n\n", "- a\n\n", "[a]: b\n", "```\n", "- ```\n  ", " ", "\n", "a", "\u{1f600}"],
]) {
  hostile[JSON.stringify(piece)] = again(piece);
}

const work: Record<string, (source: string) => unknown> = {
  rendering: (source) => renderMarkdown(source),
  "cutting into blocks": (source) => {
    const splitter = new BlockSplitter();
    for (let at = 0; at < source.length; at += 200) splitter.push(source.slice(at, at + 200));
    return splitter.end();
  },
  "closing what is open": (source) => closeInline(source),
  "repairing the line at hand": (source) => repair("text\n", source),
  "repairing whole lines": (source) => repair(source, ""),
  "repairing a row": (source) => repair("|a|b|\n|-|-|\n", source),
};

/** The best of three: what else the machine does is not this text's cost. */
function costMs(act: (source: string) => unknown, source: string): number {
  let best = Infinity;
  for (let round = 0; round < 3; round++) {
    const began = performance.now();
    act(source);
    best = Math.min(best, performance.now() - began);
  }
  return best;
}

for (const [task, act] of Object.entries(work)) {
  test(`${task} costs at most three times as much for twice the text`, () => {
    for (const [name, make] of Object.entries(hostile)) {
      const [once, twice] = [make(20_000), make(40_000)];
      const costs: string[] = [];
      const holds = (): boolean => {
        const [one, two] = [costMs(act, once), costMs(act, twice)];
        costs.push(`${one.toFixed(1)} ms, then ${two.toFixed(1)} ms`);
        return two <= 3 * one + 25;
      };
      assert.ok(holds() || holds() || holds() || holds(), `${name}: ${costs.join("; ")}`); // the machine may hiccup
    }
  });

  test(`${task} holds nothing up, whatever the megabyte`, () => {
    for (const [name, make] of Object.entries(hostile)) {
      const source = make(1_000_000);
      const began = performance.now();
      act(source);
      const tookMs = performance.now() - began;
      assert.ok(tookMs < 10_000, `${name}: ${tookMs.toFixed(0)} ms`);
    }
  });
}
