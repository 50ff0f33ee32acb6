/** Plays what a provider had sent once more: the deltas that the server has read out of the wire record, at an even pace. */

export interface Piece {
  kind: "text" | "reasoning" | "tool" | "end";
  text: string;
}

const TICK_MS = 50;

/** How many of `total` pieces have been shown after so long; all of them at the end of `whole` milliseconds. */
export function shownAfter(elapsed: number, whole: number, total: number): number {
  if (whole <= 0) return total;
  return Math.min(total, Math.floor((elapsed / whole) * total));
}

/** Milliseconds for all of it: as long as the answer had streamed, or at so many pieces a second. */
export function wholeTime(pace: string, recorded: number, total: number): number {
  if (pace === "recorded") return recorded;
  const perSecond = Number(pace);
  return perSecond > 0 ? (total / perSecond) * 1000 : 0;
}

class Replay {
  private readonly button: HTMLButtonElement;
  private readonly pace: HTMLSelectElement;
  private readonly bar: HTMLProgressElement;
  private readonly text: HTMLElement;
  private readonly count: HTMLElement;
  private readonly pieces: Piece[];
  private readonly recorded: number;
  private timer = 0;
  private shown = 0;

  constructor(place: HTMLElement) {
    const find = <T extends Element>(name: string): T => place.querySelector<T>(`[data-replay-${name}]`)!;
    this.button = find("play");
    this.pace = find("pace");
    this.bar = find("bar");
    this.text = find("text");
    this.count = find("count");
    this.pieces = JSON.parse(place.querySelector("script")?.textContent ?? "[]") as Piece[];
    this.recorded = Number(place.dataset["replayMs"] ?? "0");
    this.bar.max = Math.max(1, this.pieces.length);
    this.button.addEventListener("click", () => (this.timer ? this.pause() : this.play()));
    place.querySelector<HTMLElement>("[data-replay-bar-row]")!.hidden = false;
  }

  private play(): void {
    if (this.shown >= this.pieces.length) this.clear();
    const whole = wholeTime(this.pace.value, this.recorded, this.pieces.length);
    const began = performance.now() - (whole * this.shown) / Math.max(1, this.pieces.length);
    this.say("pause");
    this.timer = window.setInterval(() => this.show(shownAfter(performance.now() - began, whole, this.pieces.length)), TICK_MS);
  }

  private show(until: number): void {
    for (; this.shown < until; this.shown++) {
      const piece = this.pieces[this.shown]!;
      const last = this.text.lastElementChild as HTMLElement | null;
      if (last && last.dataset["kind"] === piece.kind) last.append(piece.text);
      else {
        const part = document.createElement("span");
        part.dataset["kind"] = piece.kind;
        part.append(last ? `\n${piece.text}` : piece.text);
        this.text.append(part);
      }
    }
    this.bar.value = this.shown;
    this.count.textContent = `${this.shown} / ${this.pieces.length}`;
    this.text.scrollTop = this.text.scrollHeight;
    if (this.shown >= this.pieces.length) this.pause();
  }

  private pause(): void {
    window.clearInterval(this.timer);
    this.timer = 0;
    this.say(this.shown >= this.pieces.length ? "again" : "play");
  }

  private clear(): void {
    this.shown = 0;
    this.text.replaceChildren();
  }

  private say(what: "play" | "pause" | "again"): void {
    this.button.textContent = this.button.dataset[what] ?? what;
  }
}

export function startReplays(): void {
  for (const place of document.querySelectorAll<HTMLElement>("[data-replay]")) new Replay(place);
}
