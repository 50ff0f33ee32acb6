/** Code that is complete gets its buttons at once and its colours when it comes near; neither changes the layout. */

import { allFromTemplate } from "../dom";

const MOST_CHARACTERS = 60_000;
/** One line up to this many characters fits, and needs no wrapping. */
const SHORT_LINE = 60;

const dressed = new WeakSet<HTMLElement>();

const near = new IntersectionObserver(
  (entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      near.unobserve(target);
      void colour(target as HTMLElement);
    }
  },
  { rootMargin: "600px" },
);

/** `root` itself, or every code block in it. */
export function enhanceCode(root: HTMLElement): void {
  const figures = root.matches("figure.code") ? [root] : root.querySelectorAll<HTMLElement>("figure.code");
  for (const figure of figures) {
    const head = figure.querySelector("figcaption");
    if (!head || dressed.has(figure)) continue;
    dressed.add(figure);
    const code = figure.querySelector("code");
    if (!figure.closest(".said")) head.append(buttons(code?.textContent ?? ""));
    if (code?.className && code.textContent && code.textContent.length < MOST_CHARACTERS) near.observe(code);
  }
}

function buttons(code: string): DocumentFragment {
  const made = allFromTemplate("code-buttons");
  const isShort = code.trimEnd().length <= SHORT_LINE && !code.trimEnd().includes("\n");
  if (isShort) made.querySelector('[data-action="wrap"]')?.remove();
  return made;
}

async function colour(code: HTMLElement): Promise<void> {
  const { highlight } = await import("../highlight");
  const html = highlight(code.textContent ?? "", code.className.replace(/^language-/, ""));
  if (html !== null) code.innerHTML = html;
}
