/** The details of one answer: a menu beside its "more" button, made when it is asked for. */

import { duration, money, thousands } from "./format";
import { closeMenu, showMenu } from "./menu";
import { attemptsUrl, fetchPage, type PageData } from "./page";
import type { Money } from "./protocol";

interface Facts {
  model?: string;
  tokens?: number | null;
  input_tokens?: number | null;
  cached_tokens?: number | null;
  cost?: Money | null;
  usage_source?: string;
  ttft_ms?: number | null;
  duration_ms?: number | null;
  tokens_per_second?: number | null;
  request_id?: string;
}

/** What the ledger has of it is asked for; the menu waits so long for the answer, so that it stands still once it is there. */
const PATIENCE_MS = 300;

export async function toggleDetails(button: HTMLElement, page: PageData, conversation: string | null): Promise<void> {
  if (button.getAttribute("aria-expanded") === "true") return closeMenu();
  const turn = button.closest<HTMLElement>(".turn");
  const message = turn?.dataset["message"] ?? "";
  const attempts = conversation && message ? fetchAttempts(attemptsUrl(page, conversation, message)) : Promise.resolve(null);
  const soon = await Promise.race([attempts, new Promise<null>((late) => setTimeout(late, PATIENCE_MS, null))]);
  if (!button.isConnected) return;
  const menu = makeMenu(button.title, turn);
  button.parentElement?.querySelector(".menu")?.remove();
  button.after(menu);
  if (soon) menu.append(soon);
  else void attempts.then((found) => {
    if (found) menu.append(found);
    keepInSight(menu);
  });
  showMenu(button, menu);
  keepInSight(menu);
}

/** All of it: above the foot if it fits there, else below, where the thread can be scrolled to it. */
function keepInSight(menu: HTMLElement): void {
  const thread = menu.closest(".thread");
  if (!thread) return;
  menu.style.setProperty("--sight", `${thread.clientHeight}px`);
  if (menu.getBoundingClientRect().top < thread.getBoundingClientRect().top) menu.dataset["side"] = "below";
  menu.scrollIntoView({ block: "nearest", inline: "nearest" });
}

async function fetchAttempts(url: string): Promise<Element | null> {
  const page = await fetchPage(url);
  return page === null || page === "gone" ? null : page.querySelector(".attempts");
}

function makeMenu(title: string, turn: HTMLElement | null): HTMLElement {
  const receipt = turn?.querySelector<HTMLElement>(".turn-foot > .receipt");
  const facts = JSON.parse(receipt?.dataset["facts"] ?? "{}") as Facts;
  const menu = document.createElement("div");
  menu.className = "menu";
  menu.dataset["side"] = "above";
  menu.dataset["align"] = "start";
  menu.setAttribute("role", "dialog");
  menu.setAttribute("aria-label", title);
  const list = document.createElement("dl");
  list.className = "facts";
  for (const [name, value] of rows(facts, turn?.dataset["model"] ?? "", turn?.dataset["message"] ?? "")) {
    const term = document.createElement("dt");
    const detail = document.createElement("dd");
    term.textContent = name;
    detail.textContent = value;
    list.append(term, detail);
  }
  menu.append(list);
  return menu;
}

/** When a row was made: its key, a version 7 UUID, begins with the milliseconds (RFC 9562, 5.7). */
export function timeOfKey(key: string): Date | null {
  const hex = key.replaceAll("-", "");
  return /^[0-9a-f]{12}7/i.test(hex) ? new Date(Number.parseInt(hex.slice(0, 12), 16)) : null;
}

/** `20 Nov, 09:14:07`, with the year if it is another. */
export function moment(when: Date, language: string, now = new Date()): string {
  return new Intl.DateTimeFormat(language === "en" ? "en-GB" : language, {
    day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23",
    ...(when.getFullYear() === now.getFullYear() ? {} : { year: "numeric" }),
  }).format(when);
}

function rows(facts: Facts, model: string, key: string): [string, string][] {
  const rows: [string, string][] = [["Model", facts.model ?? model]];
  const asked = timeOfKey(key);
  if (asked) rows.push(["Asked", moment(asked, document.documentElement.lang || "en")]);
  if (facts.ttft_ms != null) rows.push(["First token", duration(facts.ttft_ms)]);
  if (facts.duration_ms != null) {
    const rate = facts.tokens_per_second != null ? `, ${Math.round(facts.tokens_per_second)} tok/s` : "";
    rows.push(["Took", `${duration(facts.duration_ms)}${rate}`]);
  }
  const counts = [];
  const about = facts.usage_source && facts.usage_source !== "reported" ? "~" : "";
  if (facts.input_tokens != null) {
    counts.push(`${about}${thousands(facts.input_tokens)} in${facts.cached_tokens ? `, ${thousands(facts.cached_tokens)} of them cached` : ""}`);
  }
  if (facts.tokens != null) counts.push(`${about}${thousands(facts.tokens)} out`);
  const source = facts.usage_source ? `, ${facts.usage_source === "unknown" ? "not all of it known" : facts.usage_source}` : "";
  if (counts.length > 0) rows.push(["Tokens", `${counts.join(" · ")}${facts.cost ? "" : source}`]);
  if (facts.cost) rows.push(["Cost", `${about}${money(facts.cost)}${source}`]);
  if (facts.request_id) rows.push(["Request", facts.request_id]);
  return rows;
}
