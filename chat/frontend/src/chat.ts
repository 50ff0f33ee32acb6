/** The conversation on the screen: asks, follows, stops, and keeps the turns in step with the server. */

import type { Announcer } from "./announcer";
import type { Banner } from "./banner";
import { Column } from "./column";
import type { Composer } from "./composer";
import type { Drafts } from "./drafts";
import { byId, hasFocus, setHidden, uuid } from "./dom";
import { LiveRun } from "./live-run";
import type { ModelPicker } from "./models";
import { Notices } from "./notices";
import { fetchPage, pageUrl, readPageData, type PageData } from "./page";
import { UNCOUNTED, type ErrorFacts, type RunEvent, type StartFrame, type StartReply } from "./protocol";
import { countDown } from "./render/end-note";
import { whatGoesOn } from "./render/foot";
import type { Asked } from "./render/decision";
import { openCalls, waitsForSomeone } from "./render/tools";
import { readSiblings, TurnView } from "./render/turn";
import { sourceOf } from "./render/segments";
import type { Follower } from "./scroll";
import { SendNote } from "./send-note";
import type { Sidebar } from "./sidebar";
import { Refused, type Line, type LineState } from "./socket";
import { refusalSentence, text } from "./text";
import { toolNews } from "./tool-news";

export interface ChatParts {
  page: PageData;
  column: Column;
  drafts: Drafts;
  models: ModelPicker;
  sidebar: Sidebar;
  follower: Follower;
  announcer: Announcer;
  banner: Banner;
}

/** What a message may have; a frame has room for a little more than its words, and one too long would cost the line. */
const MOST_MESSAGE_BYTES = 128 * 1024;
const FRAME_REST_BYTES = 512;
const TICK_MS = 250;
/** A line that is back within this time was never away. */
const AWAY_MS = 800;

export class Chat {
  conversation: string | null;
  line!: Line;
  composer!: Composer;
  /** This tab deletes the conversation itself and goes. */
  leaving = false;
  private isGone = false;
  private lostSince: number | null = null;
  private wasOpen = false;
  private frameBytes = Infinity;
  private readonly runs = new Map<string, LiveRun>();
  /** Turns whose run has no id yet: asked for, not answered. */
  private readonly asked = new Set<LiveRun>();
  private noticed = false;
  private readonly waits: HTMLCollectionOf<Element>;
  readonly notices: Notices;
  private readonly sendNote = new SendNote((words) => this.send(words));

  constructor(private readonly parts: ChatParts) {
    this.conversation = parts.page.conversation;
    this.notices = new Notices(this, parts.sidebar);
    this.waits = parts.column.element.getElementsByClassName("wait");
    window.setInterval(() => this.tick(), TICK_MS);
  }

  /** Follows the runs that were alive when the page was made. */
  followFrom(page: PageData): void {
    for (const { run, message } of page.live) {
      if (this.runs.has(run)) continue;
      const article = this.parts.column.turn(message);
      if (!article) continue;
      this.runs.set(run, new LiveRun(run, new TurnView(article, article.dataset["model"] ?? "")));
      this.line.follow(run, null);
    }
    this.showRunning();
  }

  onLine(state: LineState): void {
    if (state.kind === "open") {
      this.lostSince = null;
      if (this.wasOpen) this.catchUp();
      this.wasOpen = true;
    } else this.lostSince ??= Date.now();
    this.composer.setBlocked(state.kind === "signed-out" || this.isGone);
    this.tick();
  }

  onLimits(limits: Record<string, number>): void {
    this.frameBytes = limits["frame_bytes"] ?? Infinity;
  }

  /** Says something new. The words are on the screen at once and a draft until the server has them. */
  send(words: string): void {
    this.sendNote.hide();
    if (!this.parts.models.model) return this.refuse(words, { code: "model_not_available", message: text.noModel, retryable: false });
    const { column, drafts, follower } = this.parts;
    const frame = this.frame(drafts.keyFor(words), null, [{ type: "text", text: words }]);
    const most = Math.min(MOST_MESSAGE_BYTES, this.frameBytes);
    if (bytes(words) > MOST_MESSAGE_BYTES || bytes(JSON.stringify(frame)) > this.frameBytes - FRAME_REST_BYTES) {
      return this.refuse(words, { code: "too_large", message: text.tooLong(most), retryable: false });
    }
    const said = column.addSaid(words);
    const live = this.addWaiting();
    follower.toEnd();
    this.start(frame, live, (reply) => {
      drafts.acknowledged();
      said.dataset["message"] = reply.message;
      delete said.dataset["sending"];
      if (this.conversation === null) this.begin(reply.conversation, reply.title);
    }, (error) => {
      said.remove();
      this.refuse(words, error);
    });
  }

  /** One more answer to the user's message above this turn: regenerate, retry. */
  again(turn: HTMLElement): void {
    const question = turn.previousElementSibling as HTMLElement | null;
    const parent = question?.dataset["message"];
    if (!parent || this.isRunning) return;
    const { column } = this.parts;
    const known = readSiblings(turn);
    const old = [turn, ...nextAll(turn)];
    const hadFocus = old.some(hasFocus);
    column.cutFrom(turn);
    if (hadFocus) this.composer.rest();
    const live = this.addWaiting();
    const count = (known?.count ?? 1) + 1;
    live.turn.article.dataset["siblings"] = JSON.stringify({ index: count, count, previous: turn.dataset["message"] ?? null, next: null });
    this.parts.follower.toEnd();
    this.start(this.frame(uuid(), parent, null), live, () => undefined, (error) => {
      column.append(...old);
      this.tellRefusal(error, null);
    });
  }

  /** Goes on where an ended answer stopped. */
  goOn(turn: HTMLElement): void {
    const parent = turn.dataset["message"];
    if (!parent || this.isRunning) return;
    this.parts.column.cutAfter(turn);
    const live = this.addWaiting();
    this.parts.follower.toEnd();
    this.start(this.frame(uuid(), parent, null), live, () => undefined, (error) => {
      this.tellRefusal(error, null);
    });
  }

  stop(): void {
    for (const live of this.live()) {
      if (live.progress.stopping) continue;
      live.markStopping();
      if (live.run) this.requestStop(live.run);
    }
    if (this.isRunning) this.composer.setStopping();
  }

  get isRunning(): boolean {
    return this.runs.size > 0 || this.asked.size > 0;
  }

  /** Fetches the page anew and takes over its turns: another branch, or what another tab has said. */
  async refresh(): Promise<boolean> {
    if (!this.conversation) return false;
    const { conversation } = this;
    const page = await fetchPage(pageUrl(this.parts.page, conversation));
    if (page === "gone") this.gone(conversation);
    if (page === "gone" || page === null || conversation !== this.conversation) return false;
    const fresh = page.getElementById("column");
    if (!fresh) return false;
    const alive = new Set([...this.live()].map((live) => live.turn.article));
    this.parts.column.adopt(fresh, (turn) => alive.has(turn));
    this.followFrom(readPageData(page));
    return true;
  }

  onEvent(run: string, event: RunEvent): void {
    const live = this.runs.get(run);
    if (!live) return;
    const wasInLine = live.progress.line !== null;
    live.take(event);
    if (event.type === "run.finished") this.ended(live);
    else if (event.type === "run.waiting" || event.type === "run.retrying") this.parts.announcer.tell(whatGoesOn(live.progress), !wasInLine);
    else if (event.type.startsWith("tool.")) this.onTool(live, event);
    else this.parts.announcer.follow(() => sourceOf(live.state.steps));
  }

  private onTool(live: LiveRun, event: RunEvent): void {
    const news = toolNews(live.state, event);
    if (!news) return;
    this.parts.announcer.tell(news.sentence, news.isNews);
    this.showDot();
  }

  /** Of this conversation, by what goes on here. */
  private showDot(): void {
    if (!this.conversation) return;
    const asks = this.live().some((one) => openCalls(one.state).some(waitsForSomeone));
    this.parts.sidebar.setDot(this.conversation, asks ? "waiting" : this.isRunning ? "running" : null);
  }

  /** About a call that waits for somebody. What comes of it is told by the run's events, to every tab alike. */
  decide({ taken, failed, ...decision }: Asked): void {
    this.line.request({ type: "invocation.decide", ...decision }, false).then(taken, (error: unknown) => {
      failed(error instanceof Refused ? refusalSentence(error.facts) : text.actionFailed);
    });
  }

  /** Our own new runs are told to us twice; while an answer to `run.start` is out we wait for it. */
  begun(run: string): void {
    if (this.runs.has(run)) return;
    if (this.asked.size > 0) this.noticed = true;
    else void this.refresh();
  }

  /** What is told of a run beside its events. */
  take(run: string, event: RunEvent): void {
    this.runs.get(run)?.take(event);
  }

  /** News may have been missed: while the line was away, or between the server's processes. */
  catchUp(): void {
    this.notices.forget();
    this.parts.sidebar.catchUp();
    if (this.asked.size > 0) this.noticed = true;
    else void this.refresh();
  }

  /** A run that is gone: what the server has of it is the truth. */
  onUnfollowable(run: string): void {
    if (this.runs.delete(run)) void this.refresh();
    this.showRunning();
  }

  /** Deleted, here or in another tab. What stands on the screen may still be read and copied. */
  gone(conversation: string): void {
    const { sidebar, drafts, column, page } = this.parts;
    sidebar.remove(conversation);
    if (conversation !== this.conversation || this.leaving || this.isGone) return;
    this.isGone = true;
    for (const live of this.live()) live.take({ type: "run.finished", status: "stopped", ...UNCOUNTED });
    this.runs.clear();
    this.asked.clear();
    this.showRunning();
    this.composer.setBlocked(true);
    this.composer.released(false);
    this.sendNote.hide();
    column.element.dataset["gone"] = "";
    setHidden(byId("conversation-tools"), true);
    this.parts.banner.showGone(drafts.leave(), page.urls.new);
  }

  renamed(conversation: string, title: string | undefined): void {
    if (title === undefined) return this.parts.sidebar.refreshSoon();
    this.parts.sidebar.setTitle(conversation, title);
    if (conversation !== this.conversation) return;
    const heading = document.getElementById("title");
    if (heading) heading.textContent = title;
    document.title = document.title.replace(/^(?:.* · )?/, `${title} · `);
  }

  private tick(): void {
    const offline = this.lostSince !== null && Date.now() - this.lostSince > AWAY_MS;
    for (const run of this.live()) {
      run.setOffline(offline);
      run.tick();
    }
    countDown(this.waits);
  }

  private live(): LiveRun[] {
    return [...this.runs.values(), ...this.asked];
  }

  private frame(key: string, parent: string | null, content: StartFrame["content"]): StartFrame {
    return {
      type: "run.start", key, conversation: this.conversation, parent, content,
      models: [this.parts.models.model], options: {},
    };
  }

  private addWaiting(): LiveRun {
    const view = TurnView.waiting(this.parts.models.model);
    this.parts.column.append(view.article);
    const live = new LiveRun("", view);
    this.asked.add(live);
    live.draw();
    this.showRunning();
    this.parts.announcer.begin(text.announce.begun);
    return live;
  }

  private start(frame: StartFrame, live: LiveRun, well: (reply: StartReply) => void, badly: (error: ErrorFacts) => void): void {
    this.line.request(frame).then(
      (answer) => {
        const reply = answer as StartReply;
        well(reply);
        this.asked.delete(live);
        this.bind(reply, live);
        this.afterAsking();
      },
      (error: unknown) => {
        this.asked.delete(live);
        live.turn.article.remove();
        this.showRunning();
        badly(error instanceof Refused ? error.facts : { code: "internal", message: "", retryable: true });
        this.afterAsking();
      },
    );
  }

  private bind(reply: StartReply, live: LiveRun): void {
    const started = reply.runs[0];
    if (!started) return;
    live.run = started.run;
    live.turn.model = started.model;
    live.turn.article.dataset["message"] = started.message;
    live.turn.article.dataset["run"] = started.run;
    this.runs.set(started.run, live);
    this.notices.begun(reply.conversation, started.run);
    if (live.progress.stopping) this.requestStop(started.run);
    this.showRunning();
  }

  private afterAsking(): void {
    if (!this.noticed || this.asked.size > 0) return;
    this.noticed = false;
    const unknown = [...this.parts.column.element.children].some((turn) => !(turn as HTMLElement).dataset["message"]);
    if (!unknown) void this.refresh();
  }

  private begin(conversation: string, title: string): void {
    this.conversation = conversation;
    this.parts.drafts.moveTo(conversation);
    history.pushState(null, "", pageUrl(this.parts.page, conversation));
    this.parts.sidebar.begin(conversation, title);
    this.renamed(conversation, title);
    document.getElementById("conversation-tools")?.removeAttribute("hidden");
  }

  private requestStop(run: string): void {
    this.line.request({ type: "run.stop", run }).catch(() => undefined); // a run that is gone needs no stopping
  }

  private ended(live: LiveRun): void {
    this.runs.delete(live.run);
    const { status } = live.state;
    const { announce } = text;
    const error = live.progress.finished?.error;
    if (status === "failed") this.parts.announcer.say(announce.failed(error ? refusalSentence(error) : text.answerFailed));
    else if (status === "completed" || status === "stopped" || status === "limit_reached") this.parts.announcer.say(announce[status]);
    this.showDot();
    this.showRunning();
    if (!this.isRunning) this.composer.released(status === "completed");
  }

  private showRunning(): void {
    this.composer.setRunning(this.isRunning);
  }

  private refuse(words: string, error: ErrorFacts): void {
    this.composer.restore(words);
    this.tellRefusal(error, error.retryable ? words : null);
  }

  /** Something else than a message was not taken. */
  tellNotDone(why: string): void {
    this.sendNote.show(why, null, "");
  }

  private tellRefusal(error: ErrorFacts, words: string | null): void {
    if (error.code === "not_found" && this.conversation) void this.refresh(); // it may be gone
    if (error.code !== "signed_out") this.sendNote.show(refusalSentence(error), words); // the banner tells that
  }
}

function bytes(words: string): number {
  return new Blob([words]).size;
}

function nextAll(turn: Element): HTMLElement[] {
  const turns: HTMLElement[] = [];
  for (let next = turn.nextElementSibling; next; next = next.nextElementSibling) turns.push(next as HTMLElement);
  return turns;
}
