/** One run as this tab sees it: the folded state, how it is going, and the turn that shows it. */

import { estimateTokens } from "./format";
import { emptyState, fold } from "./fold";
import { drawSoon } from "./frame";
import { ENDED, type RunEvent, type RunFinished, type RunState } from "./protocol";
import type { TurnView } from "./render/turn";
import type { CallProgress } from "./render/tools";
import { lastAsked, notesOf } from "./step-notes";

export interface Progress {
  /** When something new last came. */
  heardAt: number;
  /** The line is down: the answer goes on, unseen. */
  offline: boolean;
  tokens: number;
  /** Tokens a second over the last seconds; null until it can be told. */
  rate: number | null;
  /** `attempt` counts those of the model that is asked now; null where it is not known. */
  retry: { attempt: number | null; reason: string; until: number } | null;
  /** In a line for a free place, and since when; 1 is next. */
  line: { place: number; since: number } | null;
  /** What was shown does not count any more, and nothing has come in its place yet. */
  again: boolean;
  /** The server's process that made it is gone; another one has begun this step again. */
  restarted: boolean;
  stopping: boolean;
  finished: RunFinished | null;
  calls: Map<string, CallProgress>;
}

const WINDOW_MS = 3000;

export class LiveRun {
  state: RunState = emptyState();
  readonly progress: Progress;
  /** Where the count stood when, for the rate. What comes in the first moment after following is catching up, not speed. */
  private samples: { at: number; tokens: number }[] = [];

  /** Which try of the model that is asked now this is; null after a snapshot, which does not tell. */
  private tries: number | null = 1;

  constructor(
    public run: string,
    readonly turn: TurnView,
    private readonly now: () => number = Date.now,
  ) {
    this.progress = {
      heardAt: now(), offline: false, tokens: 0, rate: null, retry: null, line: null, again: false, restarted: false, stopping: false, finished: null,
      calls: new Map(),
    };
  }

  get ended(): boolean {
    return ENDED.has(this.state.status);
  }

  take(event: RunEvent): void {
    this.state = fold(this.state, event);
    this.progress.heardAt = this.now();
    this.note(event);
    drawSoon(this.draw);
  }

  /** A few times a second while it runs: seconds, rate. */
  tick(): void {
    const now = this.now();
    this.samples.push({ at: now, tokens: this.progress.tokens });
    while (this.samples.length > 2 && now - (this.samples[0]?.at ?? now) > WINDOW_MS) this.samples.shift();
    const first = this.samples[0];
    const span = first ? now - first.at : 0;
    if (first && span >= 700) this.progress.rate = Math.max(0, ((this.progress.tokens - first.tokens) * 1000) / span);
    drawSoon(this.draw);
  }

  setOffline(offline: boolean): void {
    if (this.progress.offline === offline) return;
    Object.assign(this.progress, { offline, rate: null, heardAt: this.now() });
    this.samples = [];
    this.draw();
  }

  markStopping(): void {
    this.progress.stopping = true;
    this.draw();
  }

  readonly draw = (): void => {
    this.turn.update(this.state, this.progress);
  };

  private note(event: RunEvent): void {
    const { progress } = this;
    if (event.type !== "run.waiting") progress.line = null;
    switch (event.type) {
      case "step.finished":
        progress.restarted = false;
        break;
      case "step.started":
        this.tries = 1;
        progress.retry = null;
        this.turn.model = event.model;
        break;
      case "run.started":
        this.turn.model = event.model;
        break;
      case "step.note":
        if (event.kind === "other_model") this.turn.model = event.model;
        break;
      case "text.delta":
      case "reasoning.delta":
      case "refusal.delta":
        if (!event.text) break;
        progress.tokens += estimateTokens(event.text);
        Object.assign(progress, { retry: null, again: false });
        break;
      case "run.snapshot":
        progress.tokens = countTokens(this.state);
        progress.again = false;
        this.turn.model = lastAsked(notesOf(this.state.steps), this.turn.model);
        this.tries = null;
        this.samples = [];
        break;
      case "run.waiting":
        progress.line = event.place > 0 ? { place: event.place, since: progress.line?.since ?? this.now() } : null;
        break;
      case "run.retrying":
        progress.retry = { attempt: this.nextTry(event.attempt), reason: event.reason, until: this.now() + event.wait_ms };
        break;
      case "step.reset":
        progress.again = true;
        if (event.reason === "rescued") progress.restarted = true;
        this.forgetCalls();
        break;
      case "tool.started":
        Object.assign(progress, { retry: null, again: false });
        this.noteCall(event);
        break;
      case "tool.waiting":
      case "tool.running":
      case "tool.progress":
      case "tool.finished":
        this.noteCall(event);
        break;
      case "run.finished":
        progress.finished = event;
        Object.assign(progress, { retry: null, again: false });
        break;
      default:
        break;
    }
  }

  /** Events number the attempts of the whole run; what another model has tried is not this one's try. */
  private nextTry(attempt: number): number | null {
    if (this.tries !== null) return ++this.tries;
    return notesOf(this.state.steps).some((note) => note.kind === "other_model") ? null : attempt;
  }

  /** Those that the step which is made again had asked for. */
  private forgetCalls(): void {
    const kept = new Set<string>();
    for (const step of this.state.steps) for (const part of step.parts) if (part.type === "tool_call") kept.add(part.invocation);
    for (const invocation of this.progress.calls.keys()) if (!kept.has(invocation)) this.progress.calls.delete(invocation);
  }

  private noteCall(event: Extract<RunEvent, { invocation: string }>): void {
    const { calls } = this.progress;
    const call = calls.get(event.invocation) ?? {
      fraction: null, note: "", since: this.now(), durationMs: null,
    };
    calls.set(event.invocation, call);
    if (event.type === "tool.waiting") call.since = this.now();
    else if (event.type === "tool.running") Object.assign(call, { since: this.now(), fraction: null, note: "" });
    else if (event.type === "tool.progress") Object.assign(call, { fraction: event.fraction, note: event.note });
    else if (event.type === "tool.finished") call.durationMs = event.duration_ms;
  }
}

function countTokens(state: RunState): number {
  let count = 0;
  for (const step of state.steps) for (const part of step.parts) if ("text" in part) count += estimateTokens(part.text);
  return count;
}
