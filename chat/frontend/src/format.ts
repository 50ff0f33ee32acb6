/** Figures as words; the twin of chat/templatetags/chat_parts.py. */

import type { Money } from "./protocol";

export function thousands(count: number): string {
  return Math.round(count).toLocaleString("en-US");
}

export function tokens(count: number, estimated: boolean): string {
  return `${estimated ? "~" : ""}${thousands(count)} tok`;
}

/** Cents, or as many digits as say something: $20.03, $0.0155, $0.000012. */
export function money(cost: Money | null | undefined): string {
  const amount = Number(cost?.amount);
  if (!cost || !Number.isFinite(amount)) return "";
  let digits = 2;
  if (amount === 0) digits = 0;
  else if (amount < 1) digits = Math.min(12, Math.max(4, 1 - Math.floor(Math.log10(amount))));
  let text = amount.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
  if (digits > 2) text = text.replace(/\.?0+$/, "");
  return cost.currency === "USD" ? `$${text}` : `${text} ${cost.currency}`;
}

/** `0.61 s`, `9.3 s`, `72 s`, `6 min`. */
export function duration(ms: number): string {
  const seconds = ms / 1000;
  if (seconds < 1) return `${seconds.toFixed(2)} s`;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 120) return `${Math.round(seconds)} s`;
  return `${Math.round(seconds / 60)} min`;
}

export function shortModel(name: string): string {
  return name.slice(name.indexOf("/") + 1);
}

const WIDE = /[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff]/g;

/** About four letters to a token, one where a letter is a word. An estimate, always shown with `~`. */
export function estimateTokens(text: string): number {
  const wide = text.match(WIDE)?.length ?? 0;
  return wide + (text.length - wide) / 4;
}
