// Keeps "Limits now" up to date: every two seconds the same sections as JSON, put where the page has them. Without this
// script the page is whole, and its link looks again.
(() => {
  "use strict";
  const EACH_MS = 2000;
  const PATIENCE_MS = 8000;
  const page = document.querySelector("[data-limits]");
  if (!page) return;
  const find = (name) => page.querySelector(`[${name}]`);

  function fill(place, cell) {
    place.dataset.state = cell.state;
    if (!cell.href) {
      if (place.textContent !== cell.text) place.textContent = cell.text;
      return;
    }
    const link = document.createElement("a");
    link.href = cell.href;
    link.textContent = cell.text;
    place.replaceChildren(link);
  }

  function rowOf(cells) {
    const row = document.createElement("tr");
    for (const cell of cells) fill(row.appendChild(document.createElement("td")), cell);
    return row;
  }

  function emptyRow(table) {
    const row = rowOf([{ text: table.empty, href: "", state: "" }]);
    row.firstChild.colSpan = table.headings.length;
    return row;
  }

  function fillTable(body, table) {
    const shown = JSON.stringify(table.rows);
    // What has not changed is left alone: a link keeps its focus, a selection stays.
    if (body.shown === shown) return;
    body.shown = shown;
    body.replaceChildren(...(table.rows.length ? table.rows.map(rowOf) : [emptyRow(table)]));
  }

  function show(told) {
    const trouble = find("data-trouble");
    trouble.textContent = told.trouble;
    trouble.hidden = !told.trouble;
    find("data-counted").textContent = told.counted;
    const process = find("data-process");
    if (process) process.textContent = told.process;
    for (const section of told.sections) {
      for (const fact of section.facts) {
        const place = find(`data-fact="${CSS.escape(fact.key)}"`);
        if (place) fill(place, fact.value);
      }
      for (const table of section.tables) {
        const body = find(`data-table="${CSS.escape(table.key)}"`);
        if (body) fillTable(body, table);
      }
    }
    page.toggleAttribute("data-is-stale", told.now === null);
    find("data-live").hidden = false;
  }

  function stale(why) {
    const trouble = find("data-trouble");
    trouble.textContent = why;
    trouble.hidden = false;
    page.toggleAttribute("data-is-stale", true);
    find("data-live").hidden = true;
  }

  async function look() {
    const answer = await fetch(page.dataset.limits, {
      headers: { Accept: "application/json" },
      redirect: "manual",
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
    if (answer.ok) {
      const told = await answer.json();
      // A page that began without figures is loaded anew once there are some.
      if (told.sections.length > page.querySelectorAll(".module:not(form)").length) location.reload();
      else show(told);
      return true;
    }
    const out = answer.type === "opaqueredirect" || answer.status === 403 || answer.status === 404;
    stale(out ? page.dataset.signedOut : page.dataset.stale);
    return !out;
  }

  async function keepLooking() {
    let goOn = true;
    if (!document.hidden) {
      try {
        goOn = await look();
      } catch {
        stale(page.dataset.stale);
      }
    }
    if (goOn) setTimeout(keepLooking, EACH_MS);
  }

  setTimeout(keepLooking, EACH_MS);
})();
