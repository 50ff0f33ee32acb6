/** What the server wrote into the page for the script. */

export interface PageData {
  socket: string;
  conversation: string | null;
  /** Runs that were alive when the page was made. */
  live: { run: string; message: string }[];
  limits: Record<string, number>;
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
    limits: data.limits ?? {},
    user: data.user ?? "",
    urls: { ...URLS, ...data.urls },
  };
}

export function pageUrl(page: PageData, conversation: string): string {
  return `${page.urls.conversation}${encodeURIComponent(conversation)}/`;
}

export function apiUrl(page: PageData, conversation: string): string {
  return `${page.urls.api}conversations/${encodeURIComponent(conversation)}`;
}

export function csrfToken(): string {
  return document.querySelector<HTMLMetaElement>('meta[name="csrf-token"]')?.content ?? "";
}

/** PATCH or DELETE on a conversation. Throws if the server did not do it. */
export async function change(url: string, method: "PATCH" | "DELETE", body?: unknown): Promise<void> {
  const response = await fetch(url, {
    method,
    headers: { "Content-Type": "application/json", "X-CSRFToken": csrfToken() },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  if (!response.ok) throw new Error(`${method} ${url}: ${response.status}`);
}

/** A page of ours as a document; null if it is not to be had (signed out, gone, no line). */
export async function fetchPage(url: string): Promise<Document | null> {
  try {
    const response = await fetch(url, { headers: { Accept: "text/html" } });
    if (!response.ok || response.redirected) return null;
    return new DOMParser().parseFromString(await response.text(), "text/html");
  } catch {
    return null;
  }
}
