import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";
import type { Notice, RunEvent } from "../../chat/frontend/src/protocol";
import { Line, Refused, type LineState } from "../../chat/frontend/src/socket";

type Frame = Record<string, unknown>;

class FakeSocket {
  static all: FakeSocket[] = [];
  sent: Frame[] = [];
  onmessage: ((message: { data: string }) => void) | null = null;
  onclose: ((close: { code: number }) => void) | null = null;

  constructor(readonly url: string) {
    FakeSocket.all.push(this);
  }

  send(data: string): void {
    this.sent.push(JSON.parse(data) as Frame);
  }

  close(code = 1000): void {
    this.onclose?.({ code });
  }

  says(frame: Frame): void {
    this.onmessage?.({ data: JSON.stringify(frame) });
  }

  ready(): void {
    this.says({ type: "ready", protocol: 1, user: "u", heartbeat_seconds: 20, limits: {} });
  }

  event(run: string, cursor: string, event: RunEvent): void {
    this.says({ type: "event", run, cursor, event });
  }

  of(type: string): Frame[] {
    return this.sent.filter((frame) => frame["type"] === type);
  }
}

const seen: { events: [string, RunEvent][]; notices: Notice[]; states: LineState[]; limits: Record<string, number>[]; gone: string[] } = {
  events: [], notices: [], states: [], limits: [], gone: [],
};

function connected(): { line: Line; socket: FakeSocket } {
  const line = new Line("ws://test", {
    event: (run, event) => seen.events.push([run, event]),
    notice: (notice) => seen.notices.push(notice),
    state: (state) => seen.states.push(state),
    limits: (limits) => seen.limits.push(limits),
    unfollowable: (run) => seen.gone.push(run),
  });
  line.connect();
  const socket = last();
  socket.ready();
  return { line, socket };
}

function last(): FakeSocket {
  return FakeSocket.all.at(-1) as FakeSocket;
}

/** Lets the backoff pass, whatever its jitter, and answers the new handshake. */
function comeBack(): FakeSocket {
  mock.timers.tick(60_000);
  last().ready();
  return last();
}

const delta = (text: string): RunEvent => ({ type: "text.delta", text });
const start = {
  type: "run.start" as const, key: "k1", conversation: null, parent: null, content: [], models: ["demo/demo"], options: {},
};

beforeEach(() => {
  mock.timers.enable({ apis: ["setTimeout", "setInterval", "Date"] });
  Object.assign(globalThis, { window: globalThis, WebSocket: FakeSocket, document: { addEventListener() {} }, addEventListener() {} });
  FakeSocket.all = [];
  Object.assign(seen, { events: [], notices: [], states: [], limits: [], gone: [] });
});
afterEach(() => mock.timers.reset());

test("a run is followed from its first event and resumed at the last cursor seen", () => {
  const { line, socket } = connected();
  line.follow("r1", null);
  assert.equal(socket.of("run.follow")[0]?.["after"], null);
  socket.event("r1", "1-1", delta("a"));
  socket.event("r1", "1-2", delta("b"));
  socket.close(1006);
  assert.equal(comeBack().of("run.follow")[0]?.["after"], "1-2");
});

test("an event that was already seen is dropped, one of a later epoch is not", () => {
  const { line, socket } = connected();
  line.follow("r1", null);
  for (const cursor of ["1-1", "1-2", "1-2", "1-1", "2-1", "1-10"]) socket.event("r1", cursor, delta(cursor));
  assert.deepEqual(seen.events.map(([, event]) => ("text" in event ? event.text : "")), ["1-1", "1-2", "2-1"]);
});

test("a snapshot is taken whatever its cursor", () => {
  const { line, socket } = connected();
  line.follow("r1", null);
  socket.event("r1", "3-9", delta("a"));
  const state = { status: "running" as const, message: null, steps: [], usage: null, cost: null };
  socket.event("r1", "2-1", { type: "run.snapshot", state });
  socket.event("r1", "2-2", delta("b"));
  assert.equal(seen.events.length, 3);
});

test("credit is given every 64 events and when the line falls quiet", () => {
  const { line, socket } = connected();
  line.follow("r1", null);
  for (let seq = 1; seq <= 63; seq++) socket.event("r1", `1-${seq}`, delta("x"));
  assert.equal(socket.of("ack").length, 0);
  socket.event("r1", "1-64", delta("x"));
  assert.deepEqual(socket.of("ack"), [{ type: "ack", run: "r1", cursor: "1-64" }]);
  socket.event("r1", "1-65", delta("x"));
  mock.timers.tick(1000);
  assert.equal(socket.of("ack").at(-1)?.["cursor"], "1-65");
});

test("credit is given every 64 kB and at the end of a run", () => {
  const { line, socket } = connected();
  line.follow("r1", null);
  socket.event("r1", "1-1", delta("x".repeat(70_000)));
  assert.equal(socket.of("ack").length, 1);
  socket.event("r1", "1-2", { type: "run.finished", status: "completed" } as RunEvent);
  assert.equal(socket.of("ack").at(-1)?.["cursor"], "1-2");
});

test("a start whose answer never came is sent again under the same key", async () => {
  const { line, socket } = connected();
  const reply = line.request(start);
  assert.equal(socket.of("run.start").length, 1);
  socket.close(1006);
  const again = comeBack();
  const frame = again.of("run.start")[0];
  assert.equal(frame?.["key"], "k1");
  again.says({ type: "reply", ref: frame?.["ref"] as string, ok: true, run: "r1" });
  assert.equal((await reply).run, "r1");
});

test("an answered start is not sent again", async () => {
  const { line, socket } = connected();
  const reply = line.request(start);
  socket.says({ type: "reply", ref: socket.of("run.start")[0]?.["ref"] as string, ok: true, run: "r1" });
  await reply;
  socket.close(1006);
  assert.equal(comeBack().of("run.start").length, 0);
});

const decide = { type: "invocation.decide" as const, invocation: "i1", decision: "approve" as const };
const lineLost = (thrown: unknown): boolean => thrown instanceof Refused && thrown.facts.code === "line_lost";

test("a decision while there is no line is refused at once, not left without an answer", async () => {
  const { line, socket } = connected();
  socket.close(1006);
  const asked = line.request(decide, false);
  comeBack();
  await assert.rejects(asked, lineLost);
  assert.equal(last().of("invocation.decide").length, 0);
});

test("a decision that was not answered before a new session began is given back", async () => {
  const { line, socket } = connected();
  const asked = line.request(decide, false);
  socket.close(4401);
  last().ready();
  await assert.rejects(asked, lineLost);
});

test("a refusal carries the server's error", async () => {
  const { line, socket } = connected();
  const reply = line.request(start);
  const error = { code: "rate_limited", message: "Slowly.", retryable: true };
  socket.says({ type: "reply", ref: socket.of("run.start")[0]?.["ref"] as string, ok: false, error });
  await assert.rejects(reply, (thrown) => thrown instanceof Refused && thrown.facts.code === "rate_limited");
});

test("a frame that is too large is not sent again", async () => {
  const { line, socket } = connected();
  const reply = line.request(start);
  socket.close(4413);
  await assert.rejects(reply, (thrown) => thrown instanceof Refused && thrown.facts.code === "too_large");
});

test("a run that this socket has started is followed from the reply on, without being asked for", () => {
  const { line, socket } = connected();
  void line.request(start);
  const runs = [{ run: "r1", model: "demo/demo", message: "m1" }];
  socket.says({ type: "reply", ref: socket.of("run.start")[0]?.["ref"] as string, ok: true, run: "r1", runs });
  socket.event("r1", "1-1", delta("a"));
  socket.event("r2", "1-1", delta("of a run that nobody follows"));
  assert.deepEqual(seen.events.map(([run]) => run), ["r1"]);
  assert.equal(socket.of("run.follow").length, 0);
  socket.close(1006);
  assert.equal(comeBack().of("run.follow")[0]?.["after"], "1-1");
});

test("a run that has ended is not followed again", () => {
  const { line, socket } = connected();
  line.follow("r1", null);
  socket.event("r1", "1-1", { type: "run.finished", status: "completed" } as RunEvent);
  socket.close(1006);
  assert.equal(comeBack().of("run.follow").length, 0);
});

test("a cursor the server cannot read is asked for from the beginning", async () => {
  const { line, socket } = connected();
  line.follow("r1", "1-5");
  const error = { code: "bad_cursor", message: "", retryable: false };
  socket.says({ type: "reply", ref: socket.of("run.follow")[0]?.["ref"] as string, ok: false, error });
  await Promise.resolve().then(() => undefined);
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(socket.of("run.follow")[1]?.["after"], null);
});

test("a run that is gone is reported and not asked for again", async () => {
  const { line, socket } = connected();
  line.follow("r1", null);
  const error = { code: "not_found", message: "", retryable: false };
  socket.says({ type: "reply", ref: socket.of("run.follow")[0]?.["ref"] as string, ok: false, error });
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(seen.gone, ["r1"]);
  socket.close(1006);
  assert.equal(comeBack().of("run.follow").length, 0);
});

test("someone who is signed out is told so and left in peace", () => {
  const { socket } = connected();
  socket.close(4401);
  assert.equal(seen.states.at(-1)?.kind, "connecting", "once more, with whatever session this browser has now");
  last().close(4401);
  assert.equal(seen.states.at(-1)?.kind, "signed-out");
  mock.timers.tick(120_000);
  assert.equal(FakeSocket.all.length, 2);
});

test("what was not answered when the session ended is given back, and nothing more is sent", async () => {
  const { line, socket } = connected();
  const asked = line.request(start);
  socket.close(4401);
  last().close(4401);
  const signedOut = (thrown: unknown): boolean => thrown instanceof Refused && thrown.facts.code === "signed_out";
  await assert.rejects(asked, signedOut);
  await assert.rejects(line.request(start), signedOut);
});

test("somebody else's session beside this page is as good as none", () => {
  const line = new Line("ws://test", {
    event: () => undefined, notice: () => undefined, limits: () => undefined, unfollowable: () => undefined,
    state: (state) => seen.states.push(state),
  }, "another user");
  line.connect();
  last().ready();
  assert.equal(seen.states.at(-1)?.kind, "signed-out");
});

test("a draining server's own delay is kept", () => {
  const { socket } = connected();
  socket.says({ type: "closing", reason: "draining", reconnect_after_ms: 5000 });
  socket.close(4503);
  mock.timers.tick(4999);
  assert.equal(FakeSocket.all.length, 1);
  mock.timers.tick(1000);
  assert.equal(FakeSocket.all.length, 2);
});

test("a line on which nothing is heard is given up", () => {
  const { socket } = connected();
  mock.timers.tick(20_000);
  assert.equal(socket.of("ping").length, 1);
  mock.timers.tick(60_000);
  mock.timers.tick(1000);
  assert.ok(FakeSocket.all.length > 1);
});

test("what a process that ends does not take any more is sent to the next one", async () => {
  const { line, socket } = connected();
  const asked = line.request(start);
  const ref = socket.of("run.start")[0]?.["ref"];
  socket.says({ type: "reply", ref, ok: false, error: { code: "draining", message: "", retryable: true } });
  socket.close(4503);
  const next = comeBack();
  const [again] = next.of("run.start");
  assert.equal(again?.["key"], "k1");
  next.says({ type: "reply", ref: again?.["ref"], ok: true, conversation: "c", message: "m", runs: [] });
  assert.equal((await asked).conversation, "c");
});

/** Second by second: the mocked clock stands at the end of a tick while its timers run. */
function pass(seconds: number): void {
  for (let second = 0; second < seconds; second++) mock.timers.tick(1000);
}

test("a server that falls silent in the middle of an answer is asked, and then left for a new line", () => {
  const { line, socket } = connected();
  line.follow("r1", null);
  socket.event("r1", "1-1", delta("a"));
  pass(7);
  assert.equal(socket.of("ping").length, 1);
  socket.says({ type: "pong" });
  pass(11);
  assert.equal(FakeSocket.all.length, 1);
  pass(3);
  assert.notEqual(seen.states.at(-1)?.kind, "open");
  assert.equal(comeBack().of("run.follow")[0]?.["after"], "1-1");
  socket.event("r1", "1-2", delta("late"));
  assert.equal(seen.events.length, 1);
});

test("an idle line may be silent for longer", () => {
  const { socket } = connected();
  pass(45);
  assert.equal(FakeSocket.all.length, 1);
  assert.equal(socket.of("ping").length, 2);
  pass(10);
  assert.notEqual(seen.states.at(-1)?.kind, "open");
});

test("a server that is started again is not waited for longer than some seconds", () => {
  const { socket } = connected();
  socket.close(1006);
  for (let tries = 0; tries < 8; tries++) {
    pass(3);
    last().close(1006);
  }
  assert.ok(FakeSocket.all.length >= 9);
  pass(3);
  last().ready();
  assert.equal(seen.states.at(-1)?.kind, "open");
});
