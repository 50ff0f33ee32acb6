/** Rename and delete, each a dialog of the browser's own. */

import type { Chat } from "./chat";
import { byId } from "./dom";
import { apiUrl, change, type PageData } from "./page";

function ask(id: string): Promise<boolean> {
  const dialog = byId<HTMLDialogElement>(id);
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "ok"), { once: true });
  });
}

export async function rename(chat: Chat, page: PageData): Promise<void> {
  const { conversation } = chat;
  if (!conversation) return;
  const field = byId<HTMLInputElement>("rename-title");
  field.value = byId("title").textContent?.trim() ?? "";
  const answer = ask("rename-dialog");
  field.select();
  const title = (await answer) ? field.value.trim() : "";
  if (!title) return;
  await change(apiUrl(page, conversation), "PATCH", { title });
  chat.renamed(conversation, title);
}

export async function remove(chat: Chat, page: PageData): Promise<void> {
  if (!chat.conversation || !(await ask("delete-dialog"))) return;
  await change(apiUrl(page, chat.conversation), "DELETE");
  location.assign(page.urls.new);
}

export function showHelp(): void {
  byId<HTMLDialogElement>("help-dialog").showModal();
}

export function closeDialog(): void {
  document.querySelector<HTMLDialogElement>("dialog[open]")?.close("cancel");
}
