/** The model picker. */

import { byId, find, setText } from "./dom";
import { showMenu } from "./menu";
import { knowModels, shownModel } from "./names";
import { text } from "./text";

export class ModelPicker {
  private readonly button = byId("model-picker");
  private readonly menu = byId("model-menu");
  private readonly context = byId("context");

  constructor(isNewConversation: boolean) {
    this.menu.addEventListener("click", (event) => {
      const item = (event.target as Element).closest<HTMLElement>("[data-model]");
      if (item) this.choose(item, true);
    });
    knowModels([...this.menu.querySelectorAll<HTMLElement>("[data-model]")].map((item) => item.dataset["model"] ?? ""));
    const remembered = isNewConversation ? this.remembered() : null;
    const item = remembered ?? this.item(this.model);
    if (item) this.choose(item, false);
  }

  get model(): string {
    return this.button.dataset["model"] ?? "";
  }

  /** A moment later: the click that asks for it would close it as one beside it. */
  open(): void {
    setTimeout(() => showMenu(this.button, this.menu));
  }

  private item(model: string): HTMLElement | null {
    return model ? this.menu.querySelector(`[data-model="${CSS.escape(model)}"]`) : null;
  }

  private remembered(): HTMLElement | null {
    try {
      return this.item(localStorage.getItem("model") ?? "");
    } catch {
      return null;
    }
  }

  private choose(item: HTMLElement, remember: boolean): void {
    const model = item.dataset["model"] ?? "";
    this.button.dataset["model"] = model;
    setText(find(this.button, "span"), shownModel(model));
    for (const other of this.menu.querySelectorAll("[data-model]")) other.setAttribute("aria-selected", String(other === item));
    const tokens = Number(item.dataset["context"]);
    setText(this.context, tokens ? text.context(tokens) : "");
    if (!remember) return;
    try {
      localStorage.setItem("model", model);
    } catch {
      // then it holds for this page only
    }
  }
}
