/** The administration: the theme, filters that close again, and the replay of a stream. Every page is whole without it. */

import { startThemeMenu } from "../theme-menu.js";
import { startReplays } from "./replay.js";

function startFilters(): void {
  const filters = [...document.querySelectorAll<HTMLDetailsElement>("#changelist-filter details")];
  document.addEventListener("click", (event) => {
    for (const filter of filters) if (!filter.contains(event.target as Node)) filter.open = false;
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const filter of filters) {
      if (!filter.open) continue;
      filter.open = false;
      filter.querySelector("summary")?.focus();
    }
  });
}

function startNavigation(): void {
  // On a phone the navigation is a strip: where one is comes into sight.
  document.querySelector(".office-nav [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
}

/** Django writes "Date:" and "Time:" before two fields without saying that they are their labels. */
function nameDateFields(): void {
  for (const field of document.querySelectorAll<HTMLInputElement>(".datetime input")) {
    const row = field.closest(".form-row")?.querySelector("label, legend")?.textContent ?? "";
    const word = field.previousSibling?.textContent ?? "";
    field.setAttribute("aria-label", `${row} ${word}`.replace(/[\s:]+/g, " ").trim());
  }
}

/** A field that searches (select2) does not know its label. */
function nameSearchFields(): void {
  for (const field of document.querySelectorAll<HTMLSelectElement>("select.admin-autocomplete")) {
    const shown = document.getElementById(`select2-${field.id}-container`);
    const label = document.querySelector<HTMLElement>(`label[for="${CSS.escape(field.id)}"]`);
    if (!shown || !label) continue;
    label.id ||= `label-of-${field.id}`;
    shown.setAttribute("aria-labelledby", label.id);
    shown.closest(".select2-selection")?.setAttribute("aria-labelledby", `${label.id} ${shown.id}`);
  }
}

startThemeMenu();
nameDateFields();
// They are made some time after the page is there, and with each row that is added.
if (document.querySelector("select.admin-autocomplete")) {
  nameSearchFields();
  new MutationObserver(nameSearchFields).observe(document.body, { childList: true, subtree: true });
}
startFilters();
startNavigation();
startReplays();
