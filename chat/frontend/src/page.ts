/** What the server wrote into the page for the script. */

import { text } from "./text";

export interface PageData {
  socket: string;
  conversation: string | null;
  /** Runs that were alive when the page was made. */
  live: { run: string; message: string }[];
  user: string;
  /** `conversation` and `api` are the beginnings of addresses. */
  urls: { new: string; conversation: string; api: string; login: string };
}

const URLS = { new: "/", conversation: "/c/", api: "/api/v1/", login: "/accounts/login/" };

export function readPageData(root: Document = document): PageData {
  const script = root.getElementById("page-data");
  const data = JSON.parse(script?.textContent || "{}") as Partial<PageData>;
  return {
    socket: data.socket ?? "/ws/chat/",
    conversation: data.conversation ?? null,
    live: data.live ?? [],
    user: data.user ?? "",
    urls: { ...URLS, ...data.urls },
  };
}

export function pageUrl(page: PageData, conversation: string): string {
  return `${page.urls.conversation}${encodeURIComponent(conversation)}/`;
}

export function attemptsUrl(page: PageData, conversation: string, message: string): string {
  return `${pageUrl(page, conversation)}attempts/${encodeURIComponent(message)}/`;
}

export function apiUrl(page: PageData, conversation: string): string {
  return `${page.urls.api}conversations/${encodeURIComponent(conversation)}`;
}

export function csrfToken(): string {
  return document.querySelector<HTMLMetaElement>('meta[name="csrf-token"]')?.content ?? "";
}

/** Why a change was not made, as a sentence for the person who asked for it. */
export class NotDone extends Error {}

/** PATCH or DELETE on a conversation. Throws `NotDone` if the server did not do it. */
export async function change(url: string, method: "PATCH" | "DELETE", body?: unknown): Promise<void> {
  let response: Response;
  try {
    response = await fetch(url, {
      method,
      headers: { "Content-Type": "application/json", "X-CSRFToken": csrfToken() },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  } catch {
    throw new NotDone(text.notDone.noLine);
  }
  if (!response.ok) throw new NotDone(await reason(response));
}

async function reason(response: Response): Promise<string> {
  if (response.status === 401) return text.notDone.signedOut;
  if (response.status === 403) return text.notDone.stale;
  if (response.status === 404) return text.notDone.gone;
  if (response.status >= 500) return text.notDone.trouble;
  const said = (await response.json().catch(() => null)) as { title?: string } | null;
  return said?.title || text.actionFailed;
}

/** A page of ours as a document; "gone" if there is none, null if it is not to be had now (signed out, no line). */
export async function fetchPage(url: string): Promise<Document | "gone" | null> {
  try {
    const response = await fetch(url, { headers: { Accept: "text/html" } });
    if (response.status === 404) return "gone";
    if (!response.ok || response.redirected) return null;
    return new DOMParser().parseFromString(await response.text(), "text/html");
  } catch {
    return null;
  }
}
