/**
 * The line to the server: one socket for all of the tab's runs. It comes back by itself, resumes every followed run at
 * its cursor, drops what was already seen, gives credit, and sends again what was never answered.
 */

import { compareCursors, type ClientFrame, type ErrorFacts, type Notice, type RunEvent, type ServerFrame, type StartReply } from "./protocol";

export type LineState =
  | { kind: "connecting" }
  | { kind: "open" }
  | { kind: "waiting"; until: number; why: "lost" | "too-many" }
  | { kind: "signed-out" }
  | { kind: "outdated" };

export interface LineListener {
  event(run: string, event: RunEvent): void;
  notice(notice: Notice): void;
  state(state: LineState): void;
  /** What the server takes at most, told at each greeting. */
  limits(limits: Record<string, number>): void;
  /** A run that cannot be followed: gone, or not ours. */
  unfollowable(run: string, error: ErrorFacts): void;
}

/** A refusal by the server, or a line that will not come back. */
export class Refused extends Error {
  constructor(readonly facts: ErrorFacts) {
    super(facts.message);
  }
}

interface Pending {
  frame: ClientFrame;
  resend: boolean;
  resolve(reply: Partial<StartReply>): void;
  reject(error: Refused): void;
}

const ACK_EVENTS = 64;
const ACK_BYTES = 64 * 1024;
const ACK_IDLE_MS = 1000;
const BACKOFF_FIRST_MS = 500;
const BACKOFF_MOST_MS = 30_000;
/** A server that is started again is back within seconds, and should not be waited for longer than it takes. */
const BACKOFF_SOON_MS = 3000;
const SOON_MS = 60_000;
const LOOK_MS = 1000;
/** While an answer is on its way, silence is asked about after so long, and taken for a dead line after so long. */
const ASK_SILENT_MS = 5000;
const DEAD_SILENT_MS = 12_000;

export class Line {
  private socket: WebSocket | null = null;
  private ready = false;
  private attempts = 0;
  private reconnectAfterMs: number | null = null;
  private retryTimer = 0;
  private heartbeatTimer = 0;
  private ackTimer = 0;
  private lastHeard = 0;
  private lastAsked = 0;
  private lostAt: number | null = null;
  private refs = 0;
  private readonly pending = new Map<string, Pending>();
  /** Runs we follow and the last cursor seen of each. */
  private readonly followed = new Map<string, string | null>();
  private readonly unacked = new Map<string, string>();
  private unackedEvents = 0;
  private unackedBytes = 0;
  private signedOut = false;

  constructor(
    private readonly url: string,
    private readonly listener: LineListener,
    /** Whose page this is. */
    private readonly user = "",
  ) {
    addEventListener("online", () => this.hurry());
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "visible") this.hurry();
    });
  }

  connect(): void {
    clearTimeout(this.retryTimer);
    this.retryTimer = 0;
    this.listener.state({ kind: "connecting" });
    const socket = new WebSocket(this.url);
    this.socket = socket;
    socket.onmessage = (message) => {
      if (this.socket === socket) this.receive(String(message.data));
    };
    socket.onclose = (close) => {
      if (this.socket === socket) this.lost(close.code);
    };
  }

  /** Now, instead of when the backoff ends. */
  hurry(): void {
    if (this.socket === null && this.retryTimer) this.connect();
  }

  /** Follows a run from a cursor (null: from its first event). Idempotent. */
  follow(run: string, cursor: string | null): void {
    if (this.followed.has(run)) return;
    this.followed.set(run, cursor);
    if (this.ready) this.sendFollow(run);
  }

  /**
   * Resolves with the reply. With `resend` it waits for the line and outlives its loss: only for what the server takes
   * twice as once. Without, it is refused as soon as there is no line.
   */
  request(frame: ClientFrame, resend = true): Promise<Partial<StartReply>> {
    const ref = String(++this.refs);
    if (this.signedOut) return Promise.reject(new Refused({ code: "signed_out", message: "", retryable: false }));
    if (!resend && !this.ready) return Promise.reject(new Refused({ code: "line_lost", message: "", retryable: true }));
    return new Promise((resolve, reject) => {
      this.pending.set(ref, { frame, resend, resolve, reject });
      if (this.ready) this.send({ ...frame, ref });
    });
  }

  private send(frame: ClientFrame & { ref?: string }): void {
    this.socket?.send(JSON.stringify(frame));
  }

  private sendFollow(run: string): void {
    const after = this.followed.get(run) ?? null;
    this.request({ type: "run.follow", run, after }, false).catch((error: unknown) => {
      if (!(error instanceof Refused) || error.facts.code === "line_lost") return;
      if (error.facts.code === "bad_cursor" && after !== null) {
        this.followed.set(run, null);
        this.sendFollow(run);
        return;
      }
      this.followed.delete(run);
      this.listener.unfollowable(run, error.facts);
    });
  }

  private receive(data: string): void {
    this.lastHeard = Date.now();
    const frame = JSON.parse(data) as ServerFrame;
    switch (frame.type) {
      case "event":
        this.credit(frame.run, frame.cursor, data.length);
        if (this.followed.has(frame.run)) this.accept(frame.run, frame.cursor, frame.event);
        if (frame.event.type === "run.finished") this.acknowledge();
        break;
      case "reply":
        this.settle(frame);
        break;
      case "notice":
        this.listener.notice(frame);
        break;
      case "ready":
        if (this.user && frame.user !== this.user) {
          this.socket?.close(4401); // somebody else has signed in beside this page, which is not theirs
          break;
        }
        this.opened(frame.heartbeat_seconds);
        this.listener.limits(frame.limits);
        break;
      case "closing":
        this.reconnectAfterMs = frame.reconnect_after_ms;
        break;
      default:
        break; // pong, and whatever a newer server may say
    }
  }

  private opened(heartbeatSeconds: number): void {
    this.ready = true;
    this.attempts = 0;
    this.lostAt = null;
    this.listener.state({ kind: "open" });
    for (const run of this.followed.keys()) this.sendFollow(run);
    for (const [ref, { frame, resend }] of this.pending) if (resend) this.send({ ...frame, ref });
    clearInterval(this.heartbeatTimer);
    const beat = Math.max(1, heartbeatSeconds || 20) * 1000;
    this.lastAsked = Date.now();
    this.heartbeatTimer = window.setInterval(() => this.listen(beat), LOOK_MS);
  }

  /** A server that hangs keeps the line open and says nothing. */
  private listen(beat: number): void {
    if (!this.ready) return;
    const waits = this.followed.size > 0;
    const now = Date.now();
    const silent = now - this.lastHeard;
    if (silent > (waits ? DEAD_SILENT_MS : beat * 2.5)) {
      const dead = this.socket;
      // Its own close may take a minute more: whoever is dead does not answer that either.
      this.lost(1006);
      dead?.close(4000);
    } else if (now - this.lastAsked >= (waits && silent > ASK_SILENT_MS ? ASK_SILENT_MS : beat)) {
      this.lastAsked = now;
      this.send({ type: "ping" });
    }
  }

  private settle(frame: Extract<ServerFrame, { type: "reply" }>): void {
    const pending = this.pending.get(frame.ref);
    if (!pending) return;
    // This process takes nothing more and ends in a moment; the one behind the next line will.
    if (pending.resend && frame.error?.code === "draining") return;
    this.pending.delete(frame.ref);
    if (frame.ok) {
      // The server follows what this socket started, and says so before the first event.
      for (const { run } of frame.runs ?? []) if (!this.followed.has(run)) this.followed.set(run, null);
      pending.resolve(frame);
    } else pending.reject(new Refused(frame.error ?? { code: "internal", message: "", retryable: true }));
  }

  /** Only what is new: after a resume the same event may come twice. A snapshot always counts. */
  private accept(run: string, cursor: string, event: RunEvent): void {
    const last = this.followed.get(run);
    if (last && event.type !== "run.snapshot" && compareCursors(cursor, last) <= 0) return;
    this.followed.set(run, cursor);
    this.listener.event(run, event);
    if (event.type === "run.finished") this.followed.delete(run);
  }

  private credit(run: string, cursor: string, bytes: number): void {
    this.unacked.set(run, cursor);
    this.unackedEvents += 1;
    this.unackedBytes += bytes;
    if (this.unackedEvents >= ACK_EVENTS || this.unackedBytes >= ACK_BYTES) this.acknowledge();
    else if (!this.ackTimer) this.ackTimer = window.setTimeout(() => this.acknowledge(), ACK_IDLE_MS);
  }

  private acknowledge(): void {
    clearTimeout(this.ackTimer);
    this.ackTimer = 0;
    if (this.ready) for (const [run, cursor] of this.unacked) this.send({ type: "ack", run, cursor });
    this.unacked.clear();
    this.unackedEvents = 0;
    this.unackedBytes = 0;
  }

  private lost(code: number): void {
    const wasOpen = this.ready;
    this.socket = null;
    this.ready = false;
    clearInterval(this.heartbeatTimer);
    this.acknowledge();
    // A new password gives this browser a new session: its other tabs come back with that one, strangers do not.
    const comesBack = code === 4401 && wasOpen;
    this.signedOut = code === 4401 && !wasOpen;
    for (const [ref, pending] of this.pending) {
      const tooLarge = code === 4413 && pending.frame.type === "run.start";
      const refusal = this.signedOut ? "signed_out" : tooLarge ? "too_large" : "line_lost";
      if (pending.resend && refusal === "line_lost") continue;
      this.pending.delete(ref);
      pending.reject(new Refused({ code: refusal, message: "", retryable: refusal === "line_lost" }));
    }
    if (comesBack) this.connect();
    else if (this.signedOut) this.listener.state({ kind: "signed-out" });
    else if (code === 4422) this.listener.state({ kind: "outdated" });
    else this.waitAndRetry(code);
  }

  /** Full jitter: clients that were cut together do not come back together. */
  private waitAndRetry(code: number): void {
    this.lostAt ??= Date.now();
    const most = Date.now() - this.lostAt < SOON_MS ? BACKOFF_SOON_MS : BACKOFF_MOST_MS;
    const ceiling = Math.min(most, BACKOFF_FIRST_MS * 2 ** this.attempts);
    let wait = Math.random() * ceiling;
    if (this.reconnectAfterMs !== null) wait += this.reconnectAfterMs;
    if (code === 4429) wait = Math.max(wait, 10_000 + Math.random() * 10_000);
    if (code === 4409 && this.attempts === 0) wait = 0;
    this.reconnectAfterMs = null;
    this.attempts += 1;
    const why = code === 4429 ? "too-many" : "lost";
    this.listener.state({ kind: "waiting", until: Date.now() + wait, why });
    this.retryTimer = window.setTimeout(() => this.connect(), wait);
  }
}
