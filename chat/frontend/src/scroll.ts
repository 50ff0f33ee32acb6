/** Follows the newest words while the reader is at the end; any upward intent lets go, and nothing fights the reader. */

import { hasFocus } from "./dom";
import { afterDrawing } from "./frame";

const NEAR_PX = 48;

export class Follower {
  private following = true;
  private lastTop = 0;

  constructor(
    private readonly thread: HTMLElement,
    column: HTMLElement,
    jump: HTMLElement,
  ) {
    thread.addEventListener("wheel", (event) => event.deltaY < 0 && this.letGo(), { passive: true });
    thread.addEventListener("touchmove", () => this.letGo(), { passive: true });
    thread.addEventListener("keydown", (event) => {
      if (["PageUp", "ArrowUp", "Home"].includes(event.key)) this.letGo();
    });
    thread.addEventListener("scroll", () => this.scrolled(), { passive: true });
    jump.addEventListener("click", () => {
      if (hasFocus(jump)) thread.focus({ preventScroll: true });
      this.toEnd();
    });
    const observer = new ResizeObserver(() => this.keep());
    observer.observe(column);
    observer.observe(thread);
    afterDrawing(() => this.keep());
    this.toEnd();
  }

  toEnd(): void {
    this.following = true;
    this.keep();
  }

  get isAtEnd(): boolean {
    return this.following || this.distance < NEAR_PX;
  }

  /** To a place that was left earlier, and stays there. */
  goTo(top: number): void {
    this.following = false;
    this.thread.scrollTop = top;
    this.lastTop = this.thread.scrollTop;
    this.show();
  }

  private get distance(): number {
    return this.thread.scrollHeight - this.thread.scrollTop - this.thread.clientHeight;
  }

  private letGo(): void {
    if (this.thread.scrollHeight > this.thread.clientHeight) this.following = false;
    this.show();
  }

  private scrolled(): void {
    const top = this.thread.scrollTop;
    const down = top > this.lastTop;
    if (top < this.lastTop - 1 && this.distance > 2) this.following = false;
    else if (this.distance < 2 || (down && this.distance < NEAR_PX)) this.following = true;
    this.lastTop = top;
    this.show();
  }

  private keep(): void {
    if (this.following && this.distance > 0) {
      this.thread.scrollTop = this.thread.scrollHeight;
      this.lastTop = this.thread.scrollTop;
    }
    this.show();
  }

  private show(): void {
    this.thread.toggleAttribute("data-at-end", this.isAtEnd);
  }
}
