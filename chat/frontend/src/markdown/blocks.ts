/**
 * Cuts growing Markdown into top-level blocks. A block is given out as closed only when nothing that may still come can
 * change it, so that rendering the blocks one by one equals rendering the whole (reference definitions apart). When in
 * doubt, lines stay together: that costs time, never correctness. Rules are CommonMark's, section 4 and 5.
 */

export type BlockKind = "paragraph" | "list" | "table" | "fence" | "indented";

export interface Block {
  kind: BlockKind;
  source: string;
  /** Where its items (of a list) or rows (of a table) begin in `source`. */
  starts: number[];
}

interface OpenBlock extends Block {
  fence: { char: string; length: number } | null;
  blank: boolean;
  lines: number;
  /** Of a list: its marker, the column where an item's text begins, and whether another list may be mixed in. */
  marker: string;
  offset: number;
  mixed: boolean;
  /** A fence began in a place that is not certain: nothing closes this block but the end. */
  stuck: boolean;
}

const FENCE = /^( {0,3})(`{3,}|~{3,})([^\n]*)/;
const MARKER = /^( {0,3})([-*+]|\d{1,9}[.)])([ \t]+|$)/;
const RULE = /^ {0,3}([-*_])[ \t]*(?:\1[ \t]*){2,}$/;
const HEADING = /^ {0,3}#{1,6}(?:[ \t]|$)/;
const QUOTE = /^ {0,3}>/;
const DELIMITERS = /^ {0,3}\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*(?:\|[ \t]*)?$/;
const INTERRUPTS = /^(?:[-*+]|1[.)])[ \t]+\S/;

function indentOf(line: string): number {
  let columns = 0;
  for (const char of line) {
    if (char === " ") columns += 1;
    else if (char === "\t") columns += 4 - (columns % 4);
    else break;
  }
  return columns;
}

export class BlockSplitter {
  /** The block that may still change, without `partial`. */
  open: OpenBlock | null = null;
  /** The last line, as far as it has come. */
  partial = "";
  private closed: Block[] = [];

  /** Takes the next piece; gives the blocks it closed. */
  push(text: string): Block[] {
    const lines = text.split("\n");
    lines[0] = this.partial + (lines[0] ?? "");
    this.partial = lines.pop() ?? "";
    for (const line of lines) this.take(line);
    return this.drain();
  }

  /** Nothing more comes; gives what was still open. */
  end(): Block[] {
    const unended = this.partial !== "" && !this.partial.endsWith("\r");
    if (this.partial) this.take(this.partial);
    this.partial = "";
    this.close();
    const last = this.closed.at(-1);
    if (unended && last) last.source = last.source.slice(0, -1); // an unclosed fence shows the difference
    return this.drain();
  }

  private drain(): Block[] {
    const closed = this.closed;
    this.closed = [];
    return closed;
  }

  private close(): void {
    if (!this.open) return;
    const { kind, source, starts } = this.open;
    this.closed.push({ kind, source, starts });
    this.open = null;
  }

  private take(raw: string): void {
    const line = raw.endsWith("\r") ? raw.slice(0, -1) : raw;
    const open = this.open;
    if (open?.fence) this.inFence(open, open.fence, line);
    else if (line.trim() === "") this.blankLine(open);
    else if (!open) this.start(line);
    else if (this.interrupts(open, line)) {
      this.close();
      this.start(line);
    } else this.extend(open, line);
  }

  private inFence(open: OpenBlock, fence: { char: string; length: number }, line: string): void {
    open.source += `${line}\n`;
    const closing = FENCE.exec(line);
    if (closing?.[2]?.[0] === fence.char && closing[2].length >= fence.length && !closing[3]?.trim()) this.close();
  }

  private blankLine(open: OpenBlock | null): void {
    if (!open) return;
    if (open.kind === "list" || open.kind === "indented") {
      open.source += "\n";
      open.blank = true;
    } else this.close();
  }

  /** Whether this line certainly ends the open block. */
  private interrupts(open: OpenBlock, line: string): boolean {
    const indent = indentOf(line);
    if (open.kind === "indented") return indent < 4;
    if (open.kind !== "list") {
      return isFence(line) || HEADING.test(line) || (INTERRUPTS.test(line) && !RULE.test(line));
    }
    if (open.stuck || indent >= open.offset || (open.mixed && indent > 0)) return false;
    if (isFence(line) || HEADING.test(line) || QUOTE.test(line)) return true;
    if (RULE.test(line)) return open.blank || !open.mixed; // in a paragraph, `---` would be its underline
    const marker = MARKER.exec(line)?.[2];
    return open.blank && (!marker || (!open.mixed && indent === 0 && marker.at(-1) !== open.marker));
  }

  private start(line: string): void {
    const open: OpenBlock = {
      kind: "paragraph", source: "", starts: [], fence: null, blank: false, lines: 0, marker: "", offset: 0, mixed: false, stuck: false,
    };
    this.open = open;
    const fence = FENCE.exec(line);
    if (isFence(line) && fence?.[2]) {
      open.kind = "fence";
      open.fence = { char: fence[2][0] ?? "`", length: fence[2].length };
      open.source = `${line}\n`;
    } else if (indentOf(line) >= 4) {
      open.kind = "indented";
      open.source = `${line}\n`;
    } else if (HEADING.test(line) || RULE.test(line)) {
      open.source = `${line}\n`;
      this.close();
    } else this.extend(open, line);
  }

  private extend(open: OpenBlock, line: string): void {
    const at = open.source.length;
    const marker = MARKER.exec(line);
    if (open.mixed && isFence(line)) open.stuck = true;
    if (marker && !RULE.test(line)) this.item(open, marker, line, at);
    else if (open.kind === "table") open.starts.push(at);
    else if (open.kind === "paragraph" && open.lines === 1 && open.source.includes("|") && DELIMITERS.test(line)) {
      open.kind = "table";
    }
    open.source += `${line}\n`;
    open.lines += 1;
    open.blank = false;
  }

  private item(open: OpenBlock, match: RegExpExecArray, line: string, at: number): void {
    const indent = match[1]?.length ?? 0;
    const marker = match[2] ?? "-";
    const kind = marker.at(-1) ?? "-";
    if (open.kind === "list" && indent >= open.offset) return;
    const rest = line.slice(indent + marker.length);
    const gap = indentOf(rest);
    if (open.kind === "list" ? open.marker !== kind || indent > 0 : open.source !== "") open.mixed = true;
    open.kind = "list";
    open.marker = kind;
    open.offset = indent + marker.length + (gap >= 1 && gap <= 4 && rest.trim() ? gap : 1);
    open.starts.push(at);
  }
}

function isFence(line: string): boolean {
  const fence = FENCE.exec(line);
  return fence !== null && !(fence[2]?.startsWith("`") && fence[3]?.includes("`"));
}
