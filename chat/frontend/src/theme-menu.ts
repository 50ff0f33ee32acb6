/** Light, dark, or as the system; theme.ts applies it before the first paint. */

export function startThemeMenu(): void {
  const choices = [...document.querySelectorAll<HTMLElement>("[data-theme-choice]")];
  show(choices, document.documentElement.dataset["theme"] ?? "system");
  for (const choice of choices) {
    choice.addEventListener("click", () => {
      const theme = choice.dataset["themeChoice"] ?? "system";
      if (theme === "system") delete document.documentElement.dataset["theme"];
      else document.documentElement.dataset["theme"] = theme;
      try {
        localStorage.setItem("theme", theme);
      } catch {
        // then it holds for this page only
      }
      show(choices, theme);
    });
  }
}

function show(choices: HTMLElement[], theme: string): void {
  for (const choice of choices) choice.setAttribute("aria-checked", String(choice.dataset["themeChoice"] === theme));
}
