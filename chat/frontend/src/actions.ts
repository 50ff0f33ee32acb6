/** What the buttons of turns and code do: one listener for all, old and new. */

import type { Chat } from "./chat";
import { Column } from "./column";
import { toggleDetails } from "./details";
import { find } from "./dom";
import type { ModelPicker } from "./models";
import { apiUrl, change, NotDone, type PageData } from "./page";
import type { Asked } from "./render/decision";
import { text } from "./text";

type Action = (button: HTMLButtonElement, turn: HTMLElement) => void;

export function startActions(column: HTMLElement, chat: Chat, models: ModelPicker, page: PageData): void {
  const actions: Record<string, Action> = {
    copy: (button, turn) => void copy(Column.sourceOf(turn), button),
    regenerate: (_, turn) => chat.again(turn),
    retry: (_, turn) => chat.again(turn),
    continue: (_, turn) => chat.goOn(turn),
    "other-model": () => models.open(),
    details: (button) => void toggleDetails(button, page, chat.conversation),
    sibling: (button) => void chooseLeaf(button, chat, page),
    wrap: (button) => wrap(button),
    "copy-code": (button) => void copyCode(button),
  };
  column.addEventListener("decide", (event) => chat.decide((event as CustomEvent<Asked>).detail));
  column.addEventListener("click", (event) => {
    const button = (event.target as Element).closest<HTMLButtonElement>("button[data-action]");
    const turn = button?.closest<HTMLElement>(".turn");
    if (button && turn && !button.disabled) actions[button.dataset["action"] ?? ""]?.(button, turn);
  });
}

async function copy(words: string, button: HTMLElement): Promise<void> {
  await writeClipboard(words);
  const label = button.title;
  button.title = text.copied;
  button.setAttribute("aria-label", text.copied);
  button.dataset["done"] = "";
  setTimeout(() => {
    button.title = label;
    button.setAttribute("aria-label", label);
    delete button.dataset["done"];
  }, 1500);
}

async function copyCode(button: HTMLElement): Promise<void> {
  const code = button.closest("figure")?.querySelector("code")?.textContent ?? "";
  await writeClipboard(code.replace(/\n$/, ""));
  const label = find(button, "span");
  label.textContent = text.copied;
  setTimeout(() => (label.textContent = text.copy), 1500);
}

/** The clipboard, also where the page is served over plain HTTP and `navigator.clipboard` does not exist. */
export async function writeClipboard(words: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(words);
  } catch {
    const field = document.createElement("textarea");
    field.className = "sr";
    field.value = words;
    document.body.append(field);
    field.select();
    document.execCommand("copy");
    field.remove();
  }
}

function wrap(button: HTMLElement): void {
  const figure = button.closest("figure");
  const wraps = figure?.toggleAttribute("data-wrap") ?? false;
  button.setAttribute("aria-pressed", String(wraps));
}

async function chooseLeaf(button: HTMLButtonElement, chat: Chat, page: PageData): Promise<void> {
  const { leaf } = button.dataset;
  if (!leaf || !chat.conversation || chat.isRunning) return;
  const forward = button === button.parentElement?.lastElementChild;
  button.disabled = true;
  try {
    await change(apiUrl(page, chat.conversation), "PATCH", { leaf });
    await chat.refresh();
    const pager = document.querySelector(`[data-message="${CSS.escape(leaf)}"] .pager`);
    const buttons = pager?.querySelectorAll<HTMLElement>("button");
    const same = buttons?.[forward ? 1 : 0];
    const other = buttons?.[forward ? 0 : 1];
    (same?.matches(":disabled") ? other : same)?.focus();
  } catch (error) {
    button.disabled = false;
    button.focus();
    chat.tellNotDone(error instanceof NotDone ? error.message : text.actionFailed);
  }
}
