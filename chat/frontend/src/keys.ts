/** Keys that work everywhere on the page. */

export interface Keys {
  newChat(): void;
  toggleSidebar(): void;
  closeDrawer(): boolean;
  focusComposer(): void;
  stop(): void;
  copyLast(): void;
  help(): void;
}

export function startKeys(keys: Keys): void {
  document.addEventListener("keydown", (event) => {
    if (document.querySelector("dialog[open]") || event.isComposing) return;
    const command = event.ctrlKey || event.metaKey;
    const name = [command && "Mod", event.shiftKey && "Shift", event.key.length === 1 ? event.key.toUpperCase() : event.key]
      .filter(Boolean)
      .join("+");
    const bound: Record<string, () => void> = {
      "Mod+Shift+O": keys.newChat,
      "Mod+Shift+S": keys.toggleSidebar,
      "Mod+Shift+C": keys.copyLast,
      "Mod+/": keys.help,
      "Shift+Escape": keys.focusComposer,
      Escape: () => {
        if (!keys.closeDrawer()) keys.stop();
      },
    };
    const act = bound[name];
    if (!act) return;
    if (name !== "Escape") event.preventDefault();
    act();
  });
}
