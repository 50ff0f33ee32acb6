/** Menus and list boxes: one at a time, closed by Esc or by a click elsewhere, walked with the arrow keys. */

import { hasFocus } from "./dom";

let openMenu: { button: HTMLElement; menu: HTMLElement } | null = null;

export function isMenuOpen(): boolean {
  return openMenu !== null;
}

export function closeMenu(): void {
  if (!openMenu) return;
  const { button, menu } = openMenu;
  openMenu = null;
  const hadFocus = hasFocus(menu);
  menu.hidden = true;
  button.setAttribute("aria-expanded", "false");
  if (hadFocus) button.focus();
}

export function showMenu(button: HTMLElement, menu: HTMLElement): void {
  closeMenu();
  menu.hidden = false;
  button.setAttribute("aria-expanded", "true");
  openMenu = { button, menu };
  const chosen = menu.querySelector<HTMLElement>('[aria-selected="true"], [aria-checked="true"], .menu-item');
  chosen?.focus();
}

function toggle(button: HTMLElement): void {
  const menu = document.getElementById(button.getAttribute("aria-controls") ?? "");
  if (!menu) return;
  if (openMenu?.menu === menu) closeMenu();
  else showMenu(button, menu);
}

export function startMenus(): void {
  document.addEventListener("click", (event) => {
    const target = event.target as Element;
    const button = target.closest<HTMLElement>("[aria-haspopup][aria-controls]");
    if (button) toggle(button);
    else if (openMenu && (!openMenu.menu.contains(target) || target.closest(".menu-item"))) {
      if (!openMenu.button.contains(target)) closeMenu();
    }
  });
  document.addEventListener("keydown", (event) => {
    if (!openMenu) return;
    if (event.key === "Escape") {
      const { button } = openMenu;
      closeMenu();
      button.focus();
      event.stopImmediatePropagation();
      event.preventDefault();
    } else if (event.key === "Tab") closeMenu();
    else if (["ArrowDown", "ArrowUp", "Home", "End"].includes(event.key)) {
      event.preventDefault();
      walk(openMenu.menu, event.key);
    }
  });
}

function walk(menu: HTMLElement, key: string): void {
  const items = [...menu.querySelectorAll<HTMLElement>(".menu-item")];
  const at = items.indexOf(document.activeElement as HTMLElement);
  const steps: Record<string, number> = {
    ArrowDown: at + 1, ArrowUp: at <= 0 ? items.length - 1 : at - 1, Home: 0, End: items.length - 1,
  };
  items[(steps[key] ?? 0) % items.length]?.focus();
}
