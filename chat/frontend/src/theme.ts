/** Runs before the first paint, so that neither the wrong theme nor a sidebar that was folded away flashes. */
try {
  const root = document.documentElement;
  const theme = localStorage.getItem("theme");
  if (theme === "light" || theme === "dark") root.dataset["theme"] = theme;
  if (localStorage.getItem("sidebar") === "hidden") root.dataset["sidebar"] = "hidden";
} catch {
  // Storage may be forbidden; the system's theme then holds.
}
