/** What a model is called on the page; the twin of chat/pages/names.py. */

import { shortModel } from "./format";

let shared: ReadonlySet<string> = new Set();

/** The models that are offered here, with their providers: a bare name that several have tells nothing. */
export function knowModels(models: Iterable<string>): void {
  const seen = new Set<string>();
  const twice = new Set<string>();
  for (const name of [...new Set(models)].map(shortModel)) (seen.has(name) ? twice : seen).add(name);
  shared = twice;
}

/** Without its provider, as long as that tells it from the others that are offered. */
export function shownModel(model: string): string {
  const bare = shortModel(model);
  return shared.has(bare) ? model : bare;
}
