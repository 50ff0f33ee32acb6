/** The live region: whole sentences, now and then, never tokens. */

import { byId } from "./dom";

const EVERY_MS = 4000;
const ENDS = new Set(".!?。！？");

export class Announcer {
  private readonly region = byId("announcer");
  private told = 0;
  private last = 0;

  say(sentence: string): void {
    this.region.textContent = sentence;
    this.last = Date.now();
  }

  begin(sentence: string): void {
    this.told = 0;
    this.say(sentence);
  }

  /** Says how it goes; what is no news, only if nothing was said just before: a line may move every second. */
  tell(sentence: string, isNews: boolean): void {
    if (sentence && (isNews || Date.now() - this.last >= EVERY_MS)) this.say(sentence);
  }

  /** Reads out the sentences that are new, if enough time has passed; only then is the text asked for. */
  follow(source: () => string): void {
    if (Date.now() - this.last < EVERY_MS) return;
    this.last = Date.now();
    const added = source().slice(this.told);
    const end = lastSentenceEnd(added);
    if (end === 0) return;
    this.told += end;
    this.say(added.slice(0, end).replace(/[#*_`>|]+/g, " ").trim());
  }
}

function lastSentenceEnd(words: string): number {
  for (let at = words.length - 2; at >= 0; at--) {
    if (ENDS.has(words[at] ?? "") && /\s/.test(words[at + 1] ?? "")) return at + 1;
  }
  return 0;
}
