/** The sidebar: folded on a wide window, a drawer on a phone; dots for what runs or ended unread elsewhere. */

import { byId, find, fromTemplate, hasFocus, setText } from "./dom";
import { fetchPage } from "./page";
import { text } from "./text";

type Dot = "running" | "unread" | "waiting";

export class Sidebar {
  private readonly app = byId("app");
  private readonly element = byId("sidebar");
  private readonly list = byId("conversations");
  private readonly narrow = matchMedia("(width <= 56rem)");
  private readonly dots = new Map<string, Dot | null>();
  private refreshing = 0;
  /** What was told while lists were on their way: newer than what they say. One set for each. */
  private readonly toldMeanwhile = new Set<Set<string>>();

  /** `anyPage`: one that has the list in it and is always there. */
  constructor(
    private conversation: string | null,
    private readonly anyPage: string,
  ) {
    this.narrow.addEventListener("change", () => this.setDrawer(false));
    this.app.addEventListener("click", (event) => {
      const outside = !this.element.contains(event.target as Node);
      const onToggle = (event.target as Element).closest('[data-action="toggle-sidebar"]');
      if (this.isDrawerOpen && outside && !onToggle) this.setDrawer(false);
    });
  }

  get isDrawerOpen(): boolean {
    return this.app.dataset["drawer"] === "open";
  }

  toggle(): void {
    if (this.narrow.matches) this.setDrawer(!this.isDrawerOpen);
    else this.setFolded(document.documentElement.dataset["sidebar"] !== "hidden");
  }

  setDrawer(open: boolean): void {
    if (open) this.app.dataset["drawer"] = "open";
    else delete this.app.dataset["drawer"];
    for (const behind of this.app.querySelectorAll(".thread, .dock, .topbar > :not(h1)")) behind.toggleAttribute("inert", open);
    for (const button of this.app.querySelectorAll('[aria-controls="sidebar"]')) button.setAttribute("aria-expanded", String(open));
    if (open) this.element.querySelector<HTMLElement>("a, button")?.focus();
    else if (hasFocus(this.element)) this.opener.focus();
  }

  private get opener(): HTMLElement {
    return find(this.app, '.topbar [data-action="toggle-sidebar"]');
  }

  private setFolded(folded: boolean): void {
    const { dataset } = document.documentElement;
    const hadFocus = hasFocus(folded ? this.element : this.opener);
    if (folded) dataset["sidebar"] = "hidden";
    else delete dataset["sidebar"];
    if (hadFocus) (folded ? this.opener : find(this.element, '[data-action="toggle-sidebar"]')).focus();
    try {
      localStorage.setItem("sidebar", folded ? "hidden" : "shown");
    } catch {
      // then it is folded for this page only
    }
  }

  /** Puts a conversation that has just begun at the top, as the current one. */
  begin(conversation: string, title: string): void {
    this.conversation = conversation;
    if (this.item(conversation)) return this.markCurrent();
    let group = this.list.querySelector("ul");
    if (!group) {
      group = document.createElement("ul");
      this.list.prepend(group);
    }
    const item = fromTemplate<HTMLLIElement>("nav-item");
    const link = find<HTMLAnchorElement>(item, "a");
    link.href = location.pathname;
    link.dataset["conversation"] = conversation;
    setText(find(link, "span"), title);
    group.prepend(item);
    this.markCurrent();
    this.drawDots();
  }

  setTitle(conversation: string, title: string): void {
    const item = this.item(conversation);
    if (item) setText(find(item, "span"), title);
  }

  remove(conversation: string): void {
    this.dots.delete(conversation);
    const entry = this.item(conversation)?.closest("li");
    const list = entry?.parentElement;
    entry?.remove();
    if (list?.childElementCount !== 0) return;
    if (list.previousElementSibling?.matches("h2")) list.previousElementSibling.remove();
    list.remove();
  }

  setDot(conversation: string, dot: Dot | null): void {
    this.dots.set(conversation, dot);
    for (const told of this.toldMeanwhile) told.add(conversation);
    if (!this.item(conversation)) this.refreshSoon();
    this.drawDots();
  }

  /** Something runs in it, or waits, as far as the list knows. */
  isLive(conversation: string): boolean {
    const drawn = this.item(conversation)?.querySelector<HTMLElement>(".dot")?.dataset["kind"];
    return isLive(this.dots.get(conversation) ?? drawn);
  }

  /** Something has ended in it; whether more goes on there, or waits, the server's list knows. */
  recheck(conversation: string): void {
    // Until then it goes on, so that it is unread if the list says that nothing does.
    if (conversation !== this.conversation && !this.dots.get(conversation)) this.dots.set(conversation, "running");
    for (const told of this.toldMeanwhile) told.add(conversation);
    this.catchUp();
  }

  /** Fetches the list anew, a moment later, once for many reasons. */
  refreshSoon(): void {
    clearTimeout(this.refreshing);
    this.refreshing = window.setTimeout(() => void this.refresh(), 400);
  }

  /** News may have been missed: the server's list is the truth, about what runs as well. */
  catchUp(): void {
    clearTimeout(this.refreshing);
    const told = new Set<string>();
    this.toldMeanwhile.add(told);
    void this.refresh(told).finally(() => this.toldMeanwhile.delete(told));
  }

  private async refresh(told: Set<string> | null = null): Promise<void> {
    const page = await fetchPage(this.anyPage);
    const list = page === "gone" ? null : page?.getElementById("conversations");
    if (!list) return;
    if (told) this.takeDots(list, told);
    this.list.replaceChildren(...list.childNodes);
    this.markCurrent();
    this.drawDots();
  }

  private item(conversation: string): HTMLElement | null {
    return this.list.querySelector(`[data-conversation="${CSS.escape(conversation)}"]`);
  }

  private markCurrent(): void {
    for (const link of this.list.querySelectorAll<HTMLElement>(".nav-item")) {
      if (link.dataset["conversation"] === this.conversation) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
  }

  private takeDots(list: HTMLElement, told: Set<string>): void {
    const items = list.querySelectorAll<HTMLElement>("[data-conversation]");
    const live = new Map<string, Dot>();
    for (const item of items) {
      const kind = item.querySelector<HTMLElement>(".dot")?.dataset["kind"];
      if (kind) live.set(item.dataset["conversation"] ?? "", kind as Dot);
    }
    for (const [conversation, dot] of this.dots) {
      const ended = isLive(dot) && !live.has(conversation);
      if (ended && !told.has(conversation)) this.dots.set(conversation, conversation === this.conversation ? null : "unread");
    }
    for (const [conversation, dot] of live) if (!told.has(conversation)) this.dots.set(conversation, dot);
  }

  private drawDots(): void {
    for (const [conversation, dot] of this.dots) {
      const item = this.item(conversation);
      if (!item) continue;
      item.querySelector(".dot")?.remove();
      item.toggleAttribute("data-unread", dot === "unread");
      if (!dot || (conversation === this.conversation && dot === "unread")) continue;
      const sign = document.createElement("i");
      sign.className = "dot";
      sign.dataset["kind"] = dot;
      sign.setAttribute("role", "img");
      sign.setAttribute("aria-label", text.dots[dot]);
      sign.title = text.dots[dot];
      item.append(sign);
    }
  }
}

function isLive(dot: string | null | undefined): boolean {
  return dot === "running" || dot === "waiting";
}
