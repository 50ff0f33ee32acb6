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

startThemeMenu();
nameDateFields();
startFilters();
startNavigation();
startReplays();
