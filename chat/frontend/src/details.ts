/** The details of one answer: a menu beside its "more" button, made when it is asked for. */

import { duration, money, thousands } from "./format";
import { closeMenu, showMenu } from "./menu";
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

export function toggleDetails(button: HTMLElement): void {
  if (button.getAttribute("aria-expanded") === "true") return closeMenu();
  const turn = button.closest<HTMLElement>(".turn");
  const receipt = turn?.querySelector<HTMLElement>(".turn-foot > .receipt");
  const facts = JSON.parse(receipt?.dataset["facts"] ?? "{}") as Facts;
  const menu = document.createElement("div");
  menu.className = "menu";
  menu.dataset["side"] = "above";
  menu.dataset["align"] = "start";
  menu.setAttribute("role", "dialog");
  menu.setAttribute("aria-label", button.title);
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
  button.parentElement?.querySelector(".menu")?.remove();
  button.after(menu);
  showMenu(button, menu);
  const thread = button.closest(".thread");
  if (thread && menu.getBoundingClientRect().top < thread.getBoundingClientRect().top) menu.dataset["side"] = "below";
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
  if (facts.input_tokens != null) {
    counts.push(`${thousands(facts.input_tokens)} in${facts.cached_tokens ? `, ${thousands(facts.cached_tokens)} of them cached` : ""}`);
  }
  if (facts.tokens != null) counts.push(`${thousands(facts.tokens)} out`);
  if (counts.length > 0) rows.push(["Tokens", counts.join(" · ")]);
  const source = facts.usage_source ? `, ${facts.usage_source}` : "";
  if (facts.cost) rows.push(["Cost", `${money(facts.cost)}${source}`]);
  if (facts.request_id) rows.push(["Request", facts.request_id]);
  return rows;
}
