/** The files that a tool has made, as links under its card; templates/chat/_files.html draws the same. */

import { find, fromTemplate, setText } from "../dom";
import { fileSize } from "../format";
import type { FileFacts } from "../protocol";

/** Whatever the folded card hides, its files are in sight. */
export function filesOf(name: string, files: readonly FileFacts[]): HTMLElement {
  const list = fromTemplate<HTMLElement>("files");
  list.setAttribute("aria-label", `Files of ${name}`);
  list.replaceChildren(...files.map(fileLink));
  return list;
}

function fileLink(file: FileFacts): HTMLElement {
  const item = fromTemplate<HTMLElement>("file");
  const link = find<HTMLAnchorElement>(item, "a");
  const size = fileSize(file.size);
  link.href = `/api/v1/attachments/${encodeURIComponent(file.attachment)}`;
  // Without it Firefox takes the click for the beginning of another page, and closes the socket.
  link.download = file.name;
  link.setAttribute("aria-label", `Download ${file.name}, ${size}`);
  setText(find(link, ".file-name"), file.name);
  setText(find(link, ".file-size"), size);
  return item;
}
