/** News for every tab: what they mean for the list of conversations, and for the one on the screen. */

import type { Notice, RunEvent } from "./protocol";
import type { Sidebar } from "./sidebar";

/** The conversation on the screen. */
export interface Shown {
  readonly conversation: string | null;
  /** A run of it has begun, perhaps one of this tab's own. */
  begun(run: string): void;
  take(run: string, event: RunEvent): void;
  catchUp(): void;
  gone(conversation: string): void;
  renamed(conversation: string, title: string | undefined): void;
}

type List = Pick<Sidebar, "setDot" | "setTitle" | "isLive" | "recheck">;

export class Notices {
  /** The runs under way, by conversation, where this tab was told of every one. */
  private readonly runs = new Map<string, Set<string>>();

  constructor(
    private readonly shown: Shown,
    private readonly list: List,
  ) {}

  take(notice: Notice): void {
    const { conversation, run } = notice;
    if (notice.name === "notices.missed") return this.shown.catchUp();
    if (!conversation) return;
    const isHere = conversation === this.shown.conversation;
    if (notice.name === "run.created" && run) {
      this.begun(conversation, run);
      if (notice.title) this.list.setTitle(conversation, notice.title);
      if (isHere) this.shown.begun(run);
    } else if (notice.name === "run.ended" && run) {
      if (this.wasLast(conversation, run)) this.list.setDot(conversation, isHere ? null : "unread");
      else this.list.recheck(conversation);
    } else if (notice.name === "invocation.waiting") {
      if (notice.for === "approval") this.list.setDot(conversation, "waiting");
    } else if (notice.name === "invocation.decided") {
      if (!isHere) this.list.recheck(conversation); // others may wait still; here the run's own events tell
    } else if (notice.name === "invocation.progress" && run && notice.invocation) {
      // Nobody makes a run that is parked, so that this is none of its events.
      const { invocation, fraction = null, note = "" } = notice;
      this.shown.take(run, { type: "tool.progress", invocation, fraction, note });
    } else if (notice.name === "conversation.updated") {
      if (notice.deleted) this.shown.gone(conversation);
      else this.shown.renamed(conversation, notice.title);
    }
  }

  begun(conversation: string, run: string): void {
    const told = this.runs.get(conversation);
    if (told) told.add(run);
    else if (!this.list.isLive(conversation)) this.runs.set(conversation, new Set([run]));
    this.list.setDot(conversation, "running");
  }

  /** Some were missed: what is under way may be more, or less, than we were told. */
  forget(): void {
    this.runs.clear();
  }

  /** For sure. One that was under way before this tab was there may have others beside it. */
  private wasLast(conversation: string, run: string): boolean {
    const told = this.runs.get(conversation);
    if (!told?.delete(run) || told.size > 0) return false;
    this.runs.delete(conversation);
    return true;
  }
}
