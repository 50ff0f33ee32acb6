// Bundles every *.test.ts beside it with esbuild and runs the bundles under node:test; `run.mjs fold socket`: those alone.
import { spawnSync } from "node:child_process";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "esbuild";

const here = import.meta.dirname;
const out = await mkdtemp(join(tmpdir(), "frontend-tests-"));
const wanted = process.argv.slice(2).map((name) => `${name}.test.ts`);
const found = (await readdir(here)).filter((name) => name.endsWith(".test.ts") && (!wanted.length || wanted.includes(name)));
const entryPoints = found.map((name) => join(here, name));
try {
  await build({ entryPoints, outdir: out, bundle: true, platform: "node", format: "esm", outExtension: { ".js": ".mjs" } });
  const files = entryPoints.map((path) => join(out, path.split("/").at(-1).replace(/\.ts$/, ".mjs")));
  const { status } = spawnSync(process.execPath, ["--test", "--test-reporter=spec", ...files], { stdio: "inherit", cwd: join(here, "../..") });
  process.exitCode = status ?? 1;
} finally {
  await rm(out, { recursive: true, force: true });
}
