/** The wire: frames and events of `/ws/chat/`, as docs/reference describes them. */

export type RunStatus = "queued" | "running" | "waiting" | "completed" | "stopped" | "failed" | "limit_reached";
export const ENDED: ReadonlySet<string> = new Set(["completed", "stopped", "failed", "limit_reached"]);

export interface Money {
  amount: string;
  currency: string;
}

export interface Usage {
  input_tokens: number | null;
  output_tokens: number | null;
  cached_tokens: number | null;
  cache_write_tokens: number | null;
  reasoning_tokens: number | null;
  source: "reported" | "estimated" | "unknown";
}

export interface ErrorFacts {
  code: string;
  message: string;
  retryable: boolean;
  retry_after_seconds?: number | null;
  /** When a quota that is used up begins anew. */
  resets_at?: string | null;
  field?: string;
  phase?: string;
}

export interface StopReceipt {
  requested_at: string;
  upstream_closed_at: string | null;
  usage_source: string;
}

/** A file that a tool has made. The server says so; what the result says of files is only words. */
export interface FileFacts {
  attachment: string;
  name: string;
  media_type: string;
  size: number;
}

export type Part =
  | { type: "text" | "reasoning" | "refusal"; text: string; opaque?: unknown }
  | { type: "image"; attachment?: string; url?: string; alt?: string }
  | { type: "file"; attachment: string }
  | {
      type: "tool_call";
      invocation: string;
      name: string;
      arguments: unknown;
      /** Only while it waits or runs. */
      status?: "waiting" | "running";
      for?: "approval" | "callback" | "client";
    }
  | { type: "tool_result"; invocation: string; status: string; result: unknown; files?: FileFacts[] }
  | { type: "citation"; url: string; title: string; start: number | null; end: number | null }
  | { type: "box"; attachment: string; label: string; box: number[]; start: number; end: number };

export type ToolCall = Extract<Part, { type: "tool_call" }>;
export type ToolResult = Extract<Part, { type: "tool_result" }>;

/** How a step was answered, where its reader should know. */
export type Note =
  | { kind: "other_model"; model: string; instead_of: string; reason: string }
  | { kind: "option_dropped"; model: string; option: string }
  | { kind: "moderation"; rule: string; action: string };

export interface Step {
  step: number;
  finished: boolean;
  parts: Part[];
  notes?: Note[];
}

/** The snapshot's `state`: what a run has said so far, and nothing about how it is drawn. */
export interface RunState {
  status: RunStatus;
  message: string | null;
  steps: Step[];
  usage: Usage | null;
  cost: Money | null;
}

export interface RunFinished {
  type: "run.finished";
  status: RunStatus;
  usage: Usage;
  cost: Money | null;
  ttft_ms: number | null;
  duration_ms: number;
  tokens_per_second: number | null;
  error?: ErrorFacts;
  stop_receipt?: StopReceipt;
}

/** The figures of a run of which nobody counted anything. */
export const UNCOUNTED = {
  usage: {
    input_tokens: null, output_tokens: null, cached_tokens: null, cache_write_tokens: null, reasoning_tokens: null,
    source: "unknown" as const,
  },
  cost: null, ttft_ms: null, duration_ms: 0, tokens_per_second: null,
};

export type RunEvent =
  | { type: "run.started"; model: string; message: string }
  | { type: "run.snapshot"; state: RunState }
  | { type: "step.started"; step: number; model: string }
  | { type: "text.delta" | "refusal.delta"; text: string }
  | { type: "reasoning.delta"; text: string; opaque?: unknown }
  | { type: "citation"; url: string; title: string; start: number | null; end: number | null }
  | { type: "image"; attachment: string; alt: string }
  | { type: "image.box"; attachment: string; label: string; box: number[]; start: number; end: number }
  | { type: "tool.started"; invocation: string; name: string }
  | { type: "tool.arguments.delta"; invocation: string; text: string }
  | { type: "tool.ready"; invocation: string; arguments: unknown }
  | { type: "tool.waiting"; invocation: string; for: "approval" | "callback" | "client" }
  | { type: "tool.running"; invocation: string; attempt: number }
  | { type: "tool.progress"; invocation: string; fraction: number | null; note: string }
  | { type: "tool.finished"; invocation: string; status: string; result: unknown; duration_ms: number; files?: FileFacts[] }
  | { type: "run.retrying"; attempt: number; wait_ms: number; reason: string }
  | { type: "run.waiting"; place: number }
  | ({ type: "step.note"; step: number } & Note)
  | { type: "step.reset"; step: number; reason: string }
  | {
      type: "step.finished";
      step: number;
      finish_reason: string | null;
      ttft_ms: number | null;
      usage: Usage;
      cost: Money | null;
    }
  | { type: "moderation.flagged"; rule: string; action: string }
  | RunFinished;

export interface StartFrame {
  type: "run.start";
  key: string;
  conversation: string | null;
  parent: string | null;
  content: Part[] | null;
  models: string[];
  options: Record<string, unknown>;
}

export interface StartedRun {
  run: string;
  model: string;
  message: string;
}

export interface StartReply {
  conversation: string;
  /** As it is stored: a rule may have masked something of what was written. */
  title: string;
  message: string;
  runs: StartedRun[];
  run: string;
}

export type ClientFrame =
  | StartFrame
  | { type: "run.follow"; run: string; after: string | null }
  | { type: "run.unfollow" | "run.stop"; run: string }
  | { type: "invocation.decide"; invocation: string; decision: "approve" | "reject"; arguments?: unknown; reason?: string }
  | { type: "ack"; run: string; cursor: string }
  | { type: "ping" };

export interface Notice {
  type: "notice";
  name: string;
  run?: string;
  conversation?: string;
  message?: string;
  user_message?: string;
  status?: string;
  for?: "approval" | "callback" | "client";
  title?: string;
  deleted?: boolean;
  delayed?: boolean;
  invocation?: string;
  fraction?: number | null;
  note?: string;
}

export type ServerFrame =
  | { type: "ready"; protocol: number; user: string; heartbeat_seconds: number; limits: Record<string, number> }
  | ({ type: "reply"; ref: string; ok: boolean; error?: ErrorFacts } & Partial<StartReply>)
  | { type: "event"; run: string; cursor: string; event: RunEvent }
  | Notice
  | { type: "pong" }
  | { type: "closing"; reason: string; reconnect_after_ms: number };

/** Cursors are `epoch-seq` and compare as two integers; a positive answer means `a` is later. */
export function compareCursors(a: string, b: string): number {
  const [epochA = 0, seqA = 0] = a.split("-").map(Number);
  const [epochB = 0, seqB = 0] = b.split("-").map(Number);
  return epochA - epochB || seqA - seqB;
}
