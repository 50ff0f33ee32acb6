/** Figures as words; the twin of chat/templatetags/chat_parts.py. */

import type { Money } from "./protocol";

export function thousands(count: number): string {
  return Math.round(count).toLocaleString("en-US");
}

/** `1 token`, `1,212 tokens`. */
export function counted(count: number): string {
  return `${thousands(count)} ${count === 1 ? "token" : "tokens"}`;
}

export function tokens(count: number, estimated: boolean): string {
  return `${estimated ? "~" : ""}${thousands(count)} tok`;
}

/** `812 bytes`, `4 kB`, `1.2 MB`. */
export function fileSize(size: number): string {
  if (size < 1000) return `${size} ${size === 1 ? "byte" : "bytes"}`;
  if (size < 999_500) return `${Math.floor((size + 500) / 1000)} kB`;
  return `${(Math.floor((size + 50_000) / 100_000) / 10).toFixed(1)} MB`;
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

/** `0.61 s`, `9.3 s`, `72 s`, `6 min`. Whole numbers throughout, so that both languages round alike. */
export function duration(ms: number): string {
  if (ms < 1000) return `${(Math.floor((ms + 5) / 10) / 100).toFixed(2)} s`;
  if (ms < 10_000) return `${(Math.floor((ms + 50) / 100) / 10).toFixed(1)} s`;
  const seconds = Math.floor((ms + 500) / 1000);
  return seconds < 120 ? `${seconds} s` : `${Math.floor((seconds + 30) / 60)} min`;
}

export function shortModel(name: string): string {
  return name.slice(name.indexOf("/") + 1);
}

const HAN = /[\u3400-\u9fff\uf900-\ufaff]/g;
const KANA = /[\u3040-\u30ff]/;

/** "zh" where Han signs make up a fifth of the beginning and no kana says that it is Japanese; the twin of `language`. */
export function languageOfText(source: string): string {
  const start = [...source.slice(0, 400)].slice(0, 200).join("");
  const han = start.match(HAN)?.length ?? 0;
  return han > 0 && !KANA.test(start) && han * 5 >= start.replace(/\s/g, "").length ? "zh" : "";
}

const WIDE = /[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff]/g;

/** About four letters to a token, one where a letter is a word. An estimate, always shown with `~`. */
export function estimateTokens(text: string): number {
  const wide = text.match(WIDE)?.length ?? 0;
  return wide + (text.length - wide) / 4;
}

const ANEW = /It begins anew on [^.]*\./;

/** What a server says in its site's time, in the reader's own: chat/usage/refusals.py. */
export function inOwnTime(message: string, resetsAt: string | null | undefined, timeZone?: string): string {
  const moment = new Date(resetsAt ?? "");
  if (Number.isNaN(moment.getTime())) return message;
  const shown = moment.toLocaleString("en-GB", { day: "numeric", month: "long", hour: "2-digit", minute: "2-digit", timeZone });
  return message.replace(ANEW, `It begins anew on ${shown.replace(",", " at").replace(" at at ", " at ")}, your time.`);
}
