/** Small words for the page's own elements. A missing one is a bug in a template and says so. */

export function byId<T extends HTMLElement>(id: string): T {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no #${id}`);
  return found as T;
}

export function find<T extends Element = HTMLElement>(root: ParentNode, selector: string): T {
  const found = root.querySelector<T>(selector);
  if (!found) throw new Error(`nothing matches ${selector}`);
  return found;
}

/** A copy of the first element in `<template id="t-…">`: the server's own partial, left empty. */
export function fromTemplate<T extends Element = HTMLElement>(name: string): T {
  const template = byId<HTMLTemplateElement>(`t-${name}`);
  const first = template.content.firstElementChild;
  if (!first) throw new Error(`#t-${name} is empty`);
  return first.cloneNode(true) as T;
}

export function allFromTemplate(name: string): DocumentFragment {
  return byId<HTMLTemplateElement>(`t-${name}`).content.cloneNode(true) as DocumentFragment;
}

/** Writes only what changed: an equal write would still cost a layout. */
export function setText(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

export function setHidden(element: HTMLElement, hidden: boolean): void {
  if (element.hidden !== hidden) element.hidden = hidden;
}

/** Whether the focus is in `element`, which is about to go or to be hidden: it would fall to the page's body. */
export function hasFocus(element: Element): boolean {
  return element.contains(document.activeElement);
}

/** A version 4 UUID, also where the page is served over plain HTTP and `randomUUID` does not exist. */
export function uuid(): string {
  if (typeof crypto.randomUUID === "function") return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}
