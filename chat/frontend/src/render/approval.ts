/** Decides in place about a call that waits: its arguments as fields or as JSON, Approve, Reject with a reason. */

import { find, fromTemplate, setHidden, setText } from "../dom";
import type { ToolCall } from "../protocol";
import { text } from "../text";
import { argumentsOf, changed, readJson, Unreadable, type Asked, type Decision } from "./decision";
import { fieldsOf, isObject, pretty, type Field } from "./tool-words";

type Input = HTMLInputElement | HTMLTextAreaElement;

export class ApprovalForm {
  readonly element = fromTemplate<HTMLFormElement>("approval");
  private readonly box = find(this.element, ".facts--edit");
  private readonly error = find(this.element, ".error");
  private readonly edited = find(this.element, "[role=status]");
  private readonly main = find(this.element, ".row");
  private readonly rejecting = find(this.element, ".approval-reason");
  private readonly raw = find<HTMLButtonElement>(this.element, '[data-decision="raw"]');
  private readonly reason = find<HTMLInputElement>(this.element, ".approval-reason input");
  private readonly first: Field[];
  private inputs: Input[] = [];
  private kinds: Field[] = [];

  constructor(private readonly call: ToolCall) {
    this.element.setAttribute("aria-label", text.decideAbout(call.name));
    this.first = fieldsOf(call.arguments);
    this.show(this.first);
    setHidden(this.raw, this.first.length === 0 || !isObject(this.written));
    this.element.addEventListener("submit", (event) => {
      event.preventDefault();
      if (this.rejecting.hidden) this.approve();
      else this.reject();
    });
    this.element.addEventListener("input", () => this.tellEdited());
    this.element.addEventListener("click", (event) => {
      const button = (event.target as Element).closest<HTMLElement>("[data-decision]");
      if (button) this.pressed(button.dataset["decision"] ?? "");
    });
    this.element.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || event.shiftKey) return;
      event.stopPropagation(); // outside it stops the answer
      if (!this.rejecting.hidden) this.pressed("back");
    });
  }

  private get written(): unknown {
    return typeof this.call.arguments === "string" && isJson(this.call.arguments) ? JSON.parse(this.call.arguments) : this.call.arguments;
  }

  private get isRaw(): boolean {
    return this.raw.getAttribute("aria-pressed") === "true";
  }

  private pressed(what: string): void {
    if (what === "raw") this.attempt(() => this.toggleRaw());
    else if (what === "confirm") this.reject();
    else if (what === "reject" || what === "back") {
      setHidden(this.main, what === "reject");
      setHidden(this.rejecting, what === "back");
      if (what === "reject") this.reason.focus();
      else find<HTMLElement>(this.main, '[data-decision="reject"]').focus();
    }
  }

  /** Other fields for the same arguments; what was changed comes along. */
  private toggleRaw(): void {
    const now = this.arguments();
    const raw = !this.isRaw;
    if (!raw && !isObject(now)) throw new Unreadable("", text.notAnObject);
    this.raw.setAttribute("aria-pressed", String(raw));
    this.show(raw ? [{ name: "arguments", kind: "json", value: pretty(now) }] : fieldsOf(now));
    this.tellEdited();
  }

  private show(fields: readonly Field[]): void {
    this.kinds = [...fields];
    const made = fields.map(makeField);
    this.inputs = made.map((label) => find<Input>(label, "input, textarea"));
    this.box.replaceChildren(...made);
    setHidden(this.box, fields.length === 0);
  }

  private values(): Field[] {
    return this.kinds.map((field, index) => ({ ...field, value: valueIn(this.inputs[index]) }));
  }

  private arguments(): unknown {
    const values = this.values();
    if (this.isRaw) return readJson(values[0]?.value ?? "");
    // What was no object is one field that holds all of it.
    if (values.length > 0 && !isObject(this.written)) return values[0]?.kind === "text" ? values[0].value : readJson(values[0]?.value ?? "");
    return argumentsOf(values);
  }

  private tellEdited(): void {
    setHidden(this.error, true);
    const names = this.isRaw ? [] : changed(this.kinds.map((field) => this.first.find((one) => one.name === field.name) ?? field), this.values());
    setText(this.edited, names.length > 0 ? text.edited(names) : "");
  }

  private approve(): void {
    this.attempt(() => {
      const now = this.arguments();
      const same = JSON.stringify(now) === JSON.stringify(this.written) || (this.kinds.length === 0 && this.first.length === 0);
      this.decide({ invocation: this.call.invocation, decision: "approve", ...(same ? {} : { arguments: now }) });
    });
  }

  private reject(): void {
    const reason = this.reason.value.trim();
    this.decide({ invocation: this.call.invocation, decision: "reject", ...(reason ? { reason } : {}) });
  }

  private attempt(what: () => void): void {
    try {
      what();
    } catch (error) {
      if (!(error instanceof Unreadable)) throw error;
      this.fail(error.message);
      const index = Math.max(0, this.kinds.findIndex((field) => field.name === error.field));
      this.inputs[index]?.focus();
    }
  }

  private decide(decision: Decision): void {
    if (this.element.hasAttribute("data-busy")) return;
    setHidden(this.error, true);
    this.setBusy(true);
    const detail: Asked = {
      ...decision,
      taken: () => setText(this.edited, text.decided[decision.decision]),
      failed: (why) => this.fail(why),
    };
    this.element.dispatchEvent(new CustomEvent("decide", { bubbles: true, detail }));
  }

  private fail(why: string): void {
    this.setBusy(false);
    setText(this.error, why);
    setHidden(this.error, false);
  }

  /** `aria-disabled`, not `disabled`: that would take the focus away. A second press is no second decision. */
  private setBusy(busy: boolean): void {
    this.element.toggleAttribute("data-busy", busy);
    this.element.setAttribute("aria-busy", String(busy));
    for (const button of this.element.querySelectorAll("button")) button.setAttribute("aria-disabled", String(busy));
  }
}

function makeField(field: Field): HTMLElement {
  const simple = field.kind === "line" || field.kind === "number";
  const label = fromTemplate(field.kind === "flag" ? "field-flag" : simple ? "field-line" : "field-text");
  setText(find(label, "span"), field.name);
  const input = find<Input>(label, "input, textarea");
  if (field.kind === "flag") (input as HTMLInputElement).checked = field.value === "true";
  else input.value = field.value;
  if (field.kind === "number") input.inputMode = "decimal";
  return label;
}

function valueIn(input: Input | undefined): string {
  if (input instanceof HTMLInputElement && input.type === "checkbox") return String(input.checked);
  return input?.value ?? "";
}

function isJson(written: string): boolean {
  try {
    JSON.parse(written);
    return true;
  } catch {
    return false;
  }
}
