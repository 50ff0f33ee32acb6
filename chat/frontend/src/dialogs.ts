/** Rename and delete, each a dialog of the browser's own. It stays open, with what was written, until the thing is done. */

import type { Chat } from "./chat";
import { byId, find, setHidden, setText } from "./dom";
import { apiUrl, change, NotDone, type PageData } from "./page";
import { text } from "./text";

/** Runs `act` when the dialog is confirmed; true once it has worked, false if the dialog was left. */
function ask(id: string, act: () => Promise<void>): Promise<boolean> {
  const dialog = byId<HTMLDialogElement>(id);
  const form = find<HTMLFormElement>(dialog, "form");
  const done = find<HTMLButtonElement>(form, '[value="ok"]');
  const why = find(form, ".error");
  const confirm = (event: SubmitEvent): void => {
    if ((event.submitter as HTMLButtonElement | null)?.value === "cancel") return;
    event.preventDefault();
    if (done.disabled) return;
    done.disabled = true;
    setHidden(why, true);
    act().then(
      () => dialog.close("ok"),
      (error: unknown) => {
        done.disabled = false;
        setText(why, error instanceof NotDone ? error.message : text.actionFailed);
        setHidden(why, false);
        done.focus();
      },
    );
  };
  done.disabled = false;
  setHidden(why, true);
  dialog.returnValue = "";
  form.addEventListener("submit", confirm);
  dialog.showModal();
  return new Promise((resolve) => {
    const left = (): void => {
      form.removeEventListener("submit", confirm);
      resolve(dialog.returnValue === "ok");
    };
    dialog.addEventListener("close", left, { once: true });
  });
}

export async function rename(chat: Chat, page: PageData): Promise<void> {
  const { conversation } = chat;
  if (!conversation) return;
  const field = byId<HTMLInputElement>("rename-title");
  field.value = byId("title").textContent?.trim() ?? "";
  const title = (): string => field.value.trim().replace(/\s+/g, " ");
  const answer = ask("rename-dialog", async () => {
    if (title()) await change(apiUrl(page, conversation), "PATCH", { title: title() });
  });
  field.select();
  if ((await answer) && title()) chat.renamed(conversation, title());
}

export async function remove(chat: Chat, page: PageData): Promise<void> {
  const { conversation } = chat;
  if (!conversation) return;
  const done = await ask("delete-dialog", () => {
    chat.leaving = true;
    return change(apiUrl(page, conversation), "DELETE").catch((error: unknown) => {
      chat.leaving = false;
      throw error;
    });
  });
  if (done) location.assign(page.urls.new);
}

export function showHelp(): void {
  byId<HTMLDialogElement>("help-dialog").showModal();
}

export function closeDialog(): void {
  document.querySelector<HTMLDialogElement>("dialog[open]")?.close("cancel");
}
