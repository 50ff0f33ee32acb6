// Bundles chat/frontend into static/chat/: main.js and its lazy chunks, theme.js, main.css, the
// administration's office.js and office.css, and the icons.
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { context, build } from "esbuild";

const out = "static/chat";
const target = ["chrome123", "firefox121", "safari17.5"];

// The word we use for an icon, and Lucide's name for its drawing.
const icons = {
  bars: "chart-column", book: "book-open", check: "check", clock: "clock", code: "code", compare: "columns-3", copy: "copy",
  coins: "coins", cpu: "cpu", data: "database", down: "chevron-down", download: "download", edit: "pencil", eye: "eye", file: "file", flag: "flag", folder: "folder", globe: "globe", help: "circle-help",
  hook: "webhook", info: "info", key: "key-round", left: "chevron-left", list: "list", lock: "lock", menu: "menu", monitor: "monitor", moon: "moon",
  more: "ellipsis", play: "play", plus: "plus", retry: "rotate-cw", right: "chevron-right", send: "arrow-up",
  scroll: "scroll-text", server: "server", shield: "shield", sidebar: "panel-left", "sign-out": "log-out", sliders: "sliders-horizontal",
  stop: "square", sun: "sun", swap: "arrow-left-right", "to-end": "arrow-down", tool: "wrench", trash: "trash-2", user: "user", users: "users",
  wallet: "wallet", warn: "triangle-alert", wrap: "wrap-text", x: "x",
};
const filled = new Set(["stop", "more"]);

async function sprite() {
  const symbols = await Promise.all(
    Object.entries(icons).map(async ([name, lucide]) => {
      const svg = await readFile(`node_modules/lucide-static/icons/${lucide}.svg`, "utf8");
      const drawing = svg.slice(svg.indexOf(">", svg.indexOf("<svg")) + 1, svg.lastIndexOf("</svg>"));
      const fill = filled.has(name) ? ' fill="currentColor"' : "";
      const body = name === "stop" ? '<rect x="7" y="7" width="10" height="10" rx="1.5"/>' : drawing;
      return `<symbol id="i-${name}" viewBox="0 0 24 24"${fill}>${body.replace(/\s+/g, " ").trim()}</symbol>`;
    }),
  );
  const licence = "<!-- Icons: Lucide, ISC licence, https://lucide.dev/license -->";
  await writeFile(`${out}/sprite.svg`, `<svg xmlns="http://www.w3.org/2000/svg">${licence}${symbols.join("")}</svg>\n`);
  const mark = await readFile("chat/frontend/icon.svg", "utf8");
  await writeFile(`${out}/icon.svg`, mark);
}

const common = { bundle: true, minify: true, sourcemap: true, target, outdir: out, logLevel: "info" };
const bundles = [
  {
    ...common,
    entryPoints: { main: "chat/frontend/src/main.ts" },
    format: "esm",
    splitting: true,
    chunkNames: "chunk-[name]-[hash]",
    define: { "process.env.NODE_ENV": '"production"' },
  },
  { ...common, entryPoints: { office: "chat/frontend/src/office/main.ts" }, format: "iife" },
  { ...common, entryPoints: { theme: "chat/frontend/src/theme.ts" }, format: "iife" },
  { ...common, entryPoints: { main: "chat/frontend/styles/main.css" } },
  { ...common, entryPoints: { office: "chat/frontend/styles/office/main.css" } },
];

await rm(out, { recursive: true, force: true });
await mkdir(out, { recursive: true });
await sprite();
if (process.argv.includes("--watch")) {
  for (const options of bundles) await (await context(options)).watch();
} else {
  await Promise.all(bundles.map((options) => build(options)));
}
