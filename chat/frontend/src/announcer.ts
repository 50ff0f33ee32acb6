/** The live region: whole sentences, now and then, never tokens. */

import { byId } from "./dom";

const EVERY_MS = 4000;
const SENTENCE = /[\s\S]*[.!?。！？](?=\s|$)/;

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

  /** Takes the whole text so far and reads out the sentences that are new, if enough time has passed. */
  follow(source: string): void {
    if (Date.now() - this.last < EVERY_MS) return;
    const sentences = SENTENCE.exec(source.slice(this.told))?.[0];
    if (!sentences) return;
    this.told += sentences.length;
    this.say(sentences.replace(/[#*_`>|]+/g, " ").trim());
  }
}
