import assert from "node:assert/strict";
import { test } from "node:test";
import { renderMarkdown } from "../../chat/frontend/src/markdown/engine";
import { closeInline, repair } from "../../chat/frontend/src/markdown/repair";
import { fixtures } from "./fixtures";

const closed: [string, string, string][] = [
  ["strong that is open is closed", "a **bold wor", "a **bold wor**"],
  ["an opening mark with nothing after it is held back", "a **", "a "],
  ["half of a closing mark is held back", "a **bold*", "a **bold**"],
  ["nested emphasis is closed from the inside", "**a *b", "**a *b***"],
  ["code that is open is closed", "run `pip inst", "run `pip inst`"],
  ["an opening tick with nothing after it is held back", "run `", "run "],
  ["marks inside code are left alone", "`a ** b` and", "`a ** b` and"],
  ["strikethrough is closed", "~~gone", "~~gone~~"],
  ["a link's words show while its address comes", "see [the docs](https://exa", "see the docs"],
  ["a link's words show without their bracket", "see [the do", "see the do"],
  ["a whole link stays", "see [the docs](https://e.org) now", "see [the docs](https://e.org) now"],
  ["a picture's words show while its address comes", "![a chart](https://exa", "a chart"],
  ["an index is no link", "a[0", "a[0"],
  ["a footnote number is no link", "so it is [1", "so it is [1"],
  ["multiplication is no emphasis", "2 * 3 * 4", "2 * 3 * 4"],
  ["a name with underscores is no emphasis", "snake_case_na", "snake_case_na"],
  ["a lone backslash is held back", "a \\", "a "],
  ["white space before a closer would keep it open", "**bold ", "**bold**"],
];

for (const [name, source, wanted] of closed) {
  test(name, () => assert.equal(closeInline(source), wanted));
}

test("a mark that may become a list, a heading or a fence is held back", () => {
  for (const mark of ["-", "*", "1", "1.", "##", "> ", "``", "```py", "---", "=="]) assert.equal(repair("text\n", mark).trimEnd(), "text", mark);
});

test("a table stands from its first row on", () => {
  for (const partial of ["| a | b", "| a | b |"]) assert.match(renderMarkdown(repair("", partial)), /<th scope="col">b<\/th>/);
  for (const partial of ["|", "|--", "|---|-"]) assert.match(renderMarkdown(repair("| a | b |\n", partial)), /<th scope="col">b<\/th>/);
  assert.match(renderMarkdown(repair("| a | b |\n|---|---|\n", "| **x")), /<td><strong>x<\/strong><\/td>/);
});

test("nothing is repaired inside open code", () => {
  assert.equal(repair("- item\n  ```js\n", "  a ** b [c"), "- item\n  ```js\n  a ** b [c");
});

test("no raw mark shows at any moment of an ordinary answer", () => {
  const source = "So **this is *very* bold**, `code` and [a link](https://example.org/a_b) with ~~regret~~ end.";
  for (let end = 1; end <= source.length; end++) {
    const shown = renderMarkdown(repair("", source.slice(0, end))).replace(/<[^>]+>/g, "");
    assert.doesNotMatch(shown, /[*`~[\]()]/, source.slice(0, end));
  }
});

test("repair never breaks what is whole", () => {
  for (const [file, { source }] of fixtures<{ source: string }>("markdown")) {
    for (let end = 0; end <= source.length; end++) {
      const cut = source.lastIndexOf("\n", end - 1) + 1;
      assert.doesNotThrow(() => renderMarkdown(repair(source.slice(0, cut), source.slice(cut, end))), file);
    }
  }
});
