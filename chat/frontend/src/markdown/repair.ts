/**
 * Makes half-open Markdown fit to be shown: what is open is closed, marks that mean nothing yet are held back, so that no
 * raw mark flashes up and goes. Only for display; the finished block is rendered from the source as it is.
 */

const LONE_MARK = /^[ \t]*(?:(?:[-*+]|\d{1,9}[.)]?|#{1,6}|>+|=+|[-*_]+|`{1,2}|~{1,2})[ \t]*|(?:`{3,}|~{3,})[^`\n]*)$/;
const BLOCK_MARK = /^[ \t]*(?:[-*+]|\d{1,9}[.)]|#{1,6}|>)[ \t]/;
const FENCE_LINE = /^[ \t]*(?:`{3,}|~{3,})/;
const DELIMITERS_SO_FAR = /^[ \t|:-]*$/;

/** `complete`: whole lines; `partial`: the line that is being written. */
export function repair(complete: string, partial: string): string {
  const held = LONE_MARK.test(partial) ? "" : partial;
  const source = complete + held;
  if (source.startsWith("|")) return repairTable(source);
  if (isInsideFence(source)) return source;
  const from = tailStart(source);
  return source.slice(0, from) + closeInline(source.slice(from));
}

function isInsideFence(source: string): boolean {
  return source.split("\n").filter((line) => FENCE_LINE.test(line)).length % 2 === 1;
}

/** Emphasis ends with its paragraph or item at the latest: the tail begins at the last line that starts one. */
function tailStart(source: string): number {
  const lines = source.split("\n");
  let start = source.length;
  for (let index = lines.length - 1; index >= 0; index--) {
    const line = lines[index] ?? "";
    const blank = line.trim() === "";
    if (blank && index < lines.length - 1) return start;
    start -= line.length + (index < lines.length - 1 ? 1 : 0);
    if (BLOCK_MARK.test(line)) return start;
  }
  return 0;
}

function repairTable(source: string): string {
  const lines = source.split("\n");
  const header = lines[0] ?? "";
  const second = lines[1] ?? "";
  if (lines.length === 1 || (lines.length === 2 && DELIMITERS_SO_FAR.test(second))) {
    const cells = header.replace(/^\s*\|/, "").replace(/\|\s*$/, "").split(/(?<!\\)\|/);
    return `|${cells.map(closeInline).join("|")}|\n|${"---|".repeat(cells.length)}\n`;
  }
  const last = lines.pop() ?? "";
  if (/^\s*(?:\|\s*)?$/.test(last)) return `${lines.join("\n")}\n`;
  const cut = last.lastIndexOf("|", last.trimEnd().length - 2) + 1;
  return `${lines.join("\n")}\n${last.slice(0, cut)}${closeInline(last.slice(cut))}`;
}

interface Mark {
  char: string;
  length: number;
  at: number;
}

/** Closes what is open in one paragraph's worth of text. */
export function closeInline(text: string): string {
  const scan = new Scan(text);
  return scan.run();
}

class Scan {
  private readonly marks: Mark[] = [];
  /** How many marks of each kind are open: looking for one that is not there would cost a walk through all. */
  private readonly open = new Map<string, number>();
  private readonly dropped = new Set<number>();
  private end: number;

  constructor(private readonly text: string) {
    this.end = text.trimEnd().length;
  }

  run(): string {
    let at = 0;
    let code = "";
    while (at < this.end) {
      const char = this.text[at];
      if (char === "\\") {
        if (at + 1 >= this.end) this.end = at;
        at += 2;
      } else if (char === "`") {
        const length = this.runLength(at);
        const close = this.findTicks(at + length, length);
        if (close < 0) {
          code = this.openCode(at, length);
          break;
        }
        at = close + length;
      } else if (char === "[") {
        this.addMark({ char: "[", length: 1, at });
        at += 1;
      } else if (char === "]") at = this.closeBracket(at);
      else if (char === "*" || char === "_" || char === "~") at = this.delimiters(at, char);
      else at += 1;
    }
    return this.finish(code);
  }

  private addMark(mark: Mark): void {
    this.marks.push(mark);
    this.open.set(mark.char, (this.open.get(mark.char) ?? 0) + 1);
  }

  private removeMarks(from: number, many = Infinity): void {
    for (const { char } of this.marks.splice(from, many)) this.open.set(char, (this.open.get(char) ?? 0) - 1);
  }

  private lastMark(char: string): number {
    return this.open.get(char) ? this.marks.findLastIndex((mark) => mark.char === char) : -1;
  }

  private runLength(at: number): number {
    let end = at;
    while (end < this.end && this.text[end] === this.text[at]) end += 1;
    return end - at;
  }

  private findTicks(from: number, length: number): number {
    for (let at = from; at < this.end; at++) {
      if (this.text[at] !== "`") continue;
      const found = this.runLength(at);
      if (found === length) return at;
      at += found - 1;
    }
    return -1;
  }

  /** Holds back a closing run that is not whole yet; an opening run with nothing after it is dropped. */
  private openCode(at: number, length: number): string {
    let end = this.end;
    while (end > at + length && this.text[end - 1] === "`") end -= 1;
    this.end = end > at + length ? end : at;
    return end > at + length ? "`".repeat(length) : "";
  }

  private closeBracket(at: number): number {
    const index = this.lastMark("[");
    const open = this.marks[index];
    if (!open) return at + 1;
    const next = this.text[at + 1];
    const whole = next === "(" ? this.text.indexOf(")", at) : -1;
    if (at + 1 >= this.end || (next === "(" && (whole < 0 || whole >= this.end))) {
      if (at + 1 >= this.end && !mayBeLink(this.text, open.at, at)) this.removeMarks(index, 1);
      else this.end = at; // the words show, the address is held back; `[` goes in finish()
      return this.end === at ? this.end : at + 1;
    }
    this.removeMarks(index);
    return whole >= 0 ? whole + 1 : at + 1;
  }

  private delimiters(at: number, char: string): number {
    const length = this.runLength(at);
    const after = at + length;
    if (char === "~" && length !== 2 && after < this.end) return after;
    let left = length;
    const before = this.text[at - 1];
    const next = after < this.end ? this.text[after] : undefined;
    if (isRightFlanking(before, next, char)) left = this.closeMarks(char, left);
    if (left > 0 && after >= this.end) this.end = after - left;
    else if (left > 0 && isLeftFlanking(before, next, char)) this.addMark({ char, length: left, at });
    return after;
  }

  private closeMarks(char: string, length: number): number {
    let left = length;
    while (left > 0) {
      const index = this.lastMark(char);
      const mark = this.marks[index];
      if (!mark) break;
      const used = Math.min(left, mark.length);
      mark.length -= used;
      left -= used;
      this.removeMarks(mark.length === 0 ? index : index + 1);
    }
    return left;
  }

  private finish(code: string): string {
    let closers = code;
    for (const mark of this.marks.reverse()) {
      if (mark.char !== "[") closers += mark.char.repeat(mark.length);
      else if (mayBecomeLink(this.text, mark.at, this.end)) {
        this.dropped.add(mark.at);
        if (this.text[mark.at - 1] === "!") this.dropped.add(mark.at - 1);
      }
    }
    const kept = this.text.slice(0, this.end);
    const shown = this.dropped.size > 0 ? drop(kept, this.dropped) : kept;
    const trimmed = closers ? shown.trimEnd() : shown;
    return trimmed + closers;
  }
}

function drop(text: string, places: Set<number>): string {
  let out = "";
  for (let at = 0; at < text.length; at++) if (!places.has(at)) out += text[at];
  return out;
}

/** `a[0` and `[1` are seldom links; their brackets stay. */
function mayBecomeLink(text: string, open: number, end: number): boolean {
  const before = text[open - 1];
  if (before !== undefined && /[\w\])]/.test(before)) return false;
  return !/^\d+$/.test(text.slice(open + 1, end));
}

/** Nor is `[x]`. */
function mayBeLink(text: string, open: number, end: number): boolean {
  return end - open > 2 && mayBecomeLink(text, open, end);
}

const SPACE = /\s/;
const PUNCTUATION = /[\p{P}\p{S}]/u;

function isSpace(char: string | undefined): boolean {
  return char === undefined || SPACE.test(char);
}

function isPunctuation(char: string | undefined): boolean {
  return char !== undefined && PUNCTUATION.test(char);
}

function isLeftFlanking(before: string | undefined, next: string | undefined, char: string): boolean {
  if (isSpace(next) || (isPunctuation(next) && !isSpace(before) && !isPunctuation(before))) return false;
  return char !== "_" || isSpace(before) || isPunctuation(before);
}

function isRightFlanking(before: string | undefined, next: string | undefined, char: string): boolean {
  if (isSpace(before) || (isPunctuation(before) && !isSpace(next) && !isPunctuation(next))) return false;
  return char !== "_" || isSpace(next) || isPunctuation(next);
}
