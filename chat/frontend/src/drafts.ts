/** Drafts, one a conversation, until the server has acknowledged them. The key makes a second try of the same words harmless. */

import { uuid } from "./dom";

interface Draft {
  text: string;
  queued: string;
  /** How many messages were joined into the queued one. */
  joined: number;
  key: string;
  sent: string;
}

const EMPTY: Draft = { text: "", queued: "", joined: 0, key: "", sent: "" };

export class Drafts {
  constructor(private conversation: string | null) {}

  private get name(): string {
    return `draft:${this.conversation ?? "new"}`;
  }

  load(): Draft {
    try {
      return { ...EMPTY, ...(JSON.parse(localStorage.getItem(this.name) ?? "{}") as Partial<Draft>) };
    } catch {
      return { ...EMPTY };
    }
  }

  save(change: Partial<Draft>): void {
    const draft = { ...this.load(), ...change };
    try {
      if (draft.text || draft.queued || draft.sent) localStorage.setItem(this.name, JSON.stringify(draft));
      else localStorage.removeItem(this.name);
    } catch {
      // Storage is full or forbidden: the words are still in the field.
    }
  }

  /** The key to send these words under: the same as last time if they were never acknowledged. */
  keyFor(words: string): string {
    const { key, sent } = this.load();
    const chosen = key && sent === words ? key : uuid();
    this.save({ key: chosen, sent: words });
    return chosen;
  }

  acknowledged(): void {
    this.save({ key: "", sent: "" });
  }

  /** The conversation is gone: what was kept waits for a new one, unless something waits there. True: there is a draft. */
  leave(): boolean {
    const { text, queued, sent } = this.load();
    const words = [queued, text || sent].filter(Boolean).join("\n\n");
    this.save(EMPTY);
    this.conversation = null;
    if (words && !this.load().text) this.save({ text: words });
    return words !== "";
  }

  /** A new conversation has got its id: what was kept moves along. */
  moveTo(conversation: string): void {
    const draft = this.load();
    try {
      localStorage.removeItem(this.name);
    } catch {
      // see save()
    }
    this.conversation = conversation;
    this.save(draft);
  }
}
