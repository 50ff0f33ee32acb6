/** The state of the line, above the composer: what happens, when it is tried again, and one thing to do about it. */

import { byId, find, setHidden, setText } from "./dom";
import type { LineState } from "./socket";
import { text } from "./text";

/** A line that is back within this time was never worth a word. */
const QUIET_MS = 800;

export class Banner {
  private readonly element = byId("banner");
  private readonly words = find(this.element, "span");
  private readonly spinner = find(this.element, ".spinner");
  private readonly button = find<HTMLButtonElement>(this.element, "button");
  private readonly link = find<HTMLAnchorElement>(this.element, "a");
  private state: LineState = { kind: "connecting" };
  private lostSince: number | null = null;
  private delayed = false;
  private gone: { words: string; href: string } | null = null;

  constructor(
    private readonly loginUrl: string,
    hurry: () => void,
  ) {
    this.button.addEventListener("click", hurry);
    window.setInterval(() => this.draw(), 500);
  }

  set(state: LineState): void {
    this.state = state;
    if (state.kind === "open") this.lostSince = null;
    else {
      this.lostSince ??= Date.now();
      this.delayed = false; // a new line says so anew
    }
    this.draw();
  }

  /** The server hears late of what its other processes make; meanwhile answers come about once a second. */
  setDelayed(delayed: boolean): void {
    this.delayed = delayed;
    this.draw();
  }

  /** The conversation does not exist any more: that outweighs whatever the line does. */
  showGone(hasDraft: boolean, href: string): void {
    this.gone = { words: hasDraft ? text.goneWithDraft : text.gone, href };
    this.draw();
  }

  private draw(): void {
    const { state } = this;
    if (this.gone) {
      for (const part of [this.spinner, this.button]) setHidden(part, true);
      for (const part of [this.element, this.link]) setHidden(part, false);
      return this.drawLink(this.gone.words, text.newChat, this.gone.href);
    }
    const lost = state.kind === "waiting" || state.kind === "connecting";
    const quiet = lost && Date.now() - (this.lostSince ?? Date.now()) < QUIET_MS;
    const late = state.kind === "open" && this.delayed;
    setHidden(this.element, (state.kind === "open" && !late) || quiet);
    setHidden(this.spinner, !lost);
    setHidden(this.button, state.kind !== "waiting");
    setHidden(this.link, lost || state.kind === "open");
    if (state.kind === "waiting" || state.kind === "connecting") this.drawLost(state);
    else if (state.kind === "signed-out") {
      const back = encodeURIComponent(location.pathname);
      this.drawLink(text.signedOut, text.signIn, `${this.loginUrl}?next=${back}`);
    } else if (late) setText(this.words, text.delayed);
    else if (state.kind === "outdated") this.drawLink(text.outdated, text.reload, location.pathname);
  }

  private drawLost(state: Extract<LineState, { kind: "waiting" | "connecting" }>): void {
    const seconds = state.kind === "waiting" ? Math.max(0, Math.ceil((state.until - Date.now()) / 1000)) : 0;
    const tooMany = state.kind === "waiting" && state.why === "too-many";
    setText(this.words, tooMany ? text.tooMany(seconds) : text.lost(seconds));
  }

  private drawLink(words: string, action: string, href: string): void {
    setText(this.words, words);
    setText(this.link, action);
    if (this.link.getAttribute("href") !== href) this.link.setAttribute("href", href);
  }
}
