import assert from "node:assert/strict";
import { test } from "node:test";
import { Notices } from "../../chat/frontend/src/notices";
import type { Notice } from "../../chat/frontend/src/protocol";

/** A list of conversations that keeps its dots, and what it would have asked the server. */
class List {
  readonly dots = new Map<string, string | null>();
  readonly asked: string[] = [];

  setDot(conversation: string, dot: string | null): void {
    this.dots.set(conversation, dot);
  }

  setTitle(): void {}

  isLive(conversation: string): boolean {
    return ["running", "waiting"].includes(this.dots.get(conversation) ?? "");
  }

  recheck(conversation: string): void {
    this.asked.push(conversation);
  }
}

function tab(before: Record<string, string> = {}) {
  const list = new List();
  for (const [conversation, dot] of Object.entries(before)) list.setDot(conversation, dot);
  const begun: string[] = [];
  const notices = new Notices({
    conversation: "here", begun: (run) => begun.push(run), take() {}, catchUp() {}, gone() {}, renamed() {},
  }, list);
  const hear = (name: string, conversation: string, run: string, more: Partial<Notice> = {}) =>
    notices.take({ type: "notice", name, conversation, run, ...more });
  return { list, begun, notices, hear };
}

test("the only answer of another conversation leaves it unread, of this one with nothing, and the server is not asked", () => {
  const { list, hear } = tab();
  for (const conversation of ["there", "here"]) {
    hear("run.created", conversation, "a");
    assert.equal(list.dots.get(conversation), "running");
    hear("run.ended", conversation, "a");
  }
  assert.deepEqual([list.dots.get("there"), list.dots.get("here")], ["unread", null]);
  assert.deepEqual(list.asked, []);
});

test("while another answer goes on, the first that ends changes no dot, and the last does", () => {
  const { list, hear } = tab();
  hear("run.created", "there", "a");
  hear("run.created", "there", "b");
  hear("invocation.waiting", "there", "b", { for: "approval" });
  hear("run.ended", "there", "a");
  assert.equal(list.dots.get("there"), "waiting");
  assert.deepEqual(list.asked, ["there"]);
  hear("run.ended", "there", "b");
  assert.equal(list.dots.get("there"), "unread");
  assert.deepEqual(list.asked, ["there"]);
});

test("what was under way before this tab was there is asked for", () => {
  const { list, hear } = tab({ there: "running" });
  hear("run.created", "there", "b");
  hear("run.ended", "there", "b");
  hear("run.ended", "there", "a");
  assert.equal(list.dots.get("there"), "running");
  assert.deepEqual(list.asked, ["there", "there"]);
});

test("after news were missed, it is asked for what is under way until all of it has ended", () => {
  const { list, notices, hear } = tab();
  hear("run.created", "there", "a");
  notices.forget();
  hear("run.ended", "there", "a");
  assert.deepEqual([list.dots.get("there"), list.asked.length], ["running", 1]);
  list.setDot("there", "unread"); // what the server said
  hear("run.created", "there", "b");
  hear("run.ended", "there", "b");
  assert.deepEqual([list.dots.get("there"), list.asked.length], ["unread", 1]);
});

test("an answer that is told of twice is counted once", () => {
  const { list, begun, notices, hear } = tab();
  notices.begun("here", "a"); // the reply to this tab's own command
  hear("run.created", "here", "a");
  hear("run.ended", "here", "a");
  assert.deepEqual([list.dots.get("here"), list.asked, begun], [null, [], ["a"]]);
});
