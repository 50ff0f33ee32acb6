/** Keeps the reader's place over a reload: the first turn in sight and where it stood. At the end there is nothing to keep. */

import type { Follower } from "./scroll";

interface Place {
  message: string;
  offset: number;
}

export function keepPlace(thread: HTMLElement, column: HTMLElement, follower: Follower, conversation: () => string | null): void {
  const name = (): string => `place:${conversation() ?? "new"}`;
  addEventListener("pagehide", () => {
    const place = follower.isAtEnd ? null : currentPlace(thread, column);
    try {
      if (place) sessionStorage.setItem(name(), JSON.stringify(place));
      else sessionStorage.removeItem(name());
    } catch {
      // then it opens at the end
    }
  });
  const [navigation] = performance.getEntriesByType("navigation") as PerformanceNavigationTiming[];
  if (navigation?.type !== "reload" && navigation?.type !== "back_forward") return;
  try {
    const place = JSON.parse(sessionStorage.getItem(name()) ?? "null") as Place | null;
    if (place) restore(thread, column, follower, place);
  } catch {
    // see above
  }
}

function currentPlace(thread: HTMLElement, column: HTMLElement): Place | null {
  const { top } = thread.getBoundingClientRect();
  for (const turn of column.querySelectorAll<HTMLElement>(".turn[data-message]")) {
    const box = turn.getBoundingClientRect();
    if (box.bottom > top) return { message: turn.dataset["message"] ?? "", offset: Math.round(box.top - top) };
  }
  return null;
}

/** Turns far away have an estimated height until they come near, so that the place is put right in the next frames again. */
function restore(thread: HTMLElement, column: HTMLElement, follower: Follower, place: Place): void {
  const turn = column.querySelector(`[data-message="${CSS.escape(place.message)}"]`);
  if (!turn) return;
  let left = 3;
  const put = (): void => {
    const off = turn.getBoundingClientRect().top - thread.getBoundingClientRect().top - place.offset;
    follower.goTo(thread.scrollTop + off);
    left -= 1;
    if (left > 0) requestAnimationFrame(put);
  };
  put();
}
