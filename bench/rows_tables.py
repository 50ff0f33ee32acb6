"""The large tables of a measured site: what one message, one run and one call bring with them."""

import random
from decimal import Decimal
from typing import Final

import msgspec

from bench.bulk import Table, as_json, key_of, stamp
from bench.rows_people import Model, Person
from chat.llm.deltas import Usage
from chat.models import (
    Attachment,
    Conversation,
    Message,
    ModelCall,
    Run,
    ToolInvocation,
    WebhookDelivery,
    WireRecord,
)
from chat.models.wire import packed
from chat.usage.ledger import COUNTERS
from chat.usage.pricing import cost_of

TALK: Final = (
    "the answer to this is that a table of figures shows how many people asked for it and why they did so before "
    "数据 报告 会议 明天 请 帮 我 写 一 封 信 budget quarter invoice contract draft reply summary translate python"
)
TOOLS: Final = ("calculator", "weather", "web_search", "fetch_page", "stock_quote", "order_status")
FAILURES: Final = (
    "provider_overloaded",
    "provider_timeout",
    "provider_cut",
    "provider_garbage",
    "provider_rejected",
)
RESULT: Final = as_json({"result": 42, "unit": "pieces"})


class Tables:
    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.words = TALK.split()
        self.titles = [self._words(4)[:120] for _ in range(2000)]
        self.texts = [
            as_json([{"type": "text", "text": self._words(chance.randint(8, 90))}]) for _ in range(2000)
        ]
        self.wire = packed(as_json({"messages": self._words(200)}).encode())
        self.conversations = Table(
            Conversation, "id", "owner_id", "title", "archived", "pinned", "created_at", "updated_at"
        )
        self.messages = Table(
            Message, "id", "conversation_id", "parent_id", "role", "parts", "model", "created_at"
        )
        self.runs = Table(
            Run, "id", "user_id", "conversation_id", "message_id", "model_id", "model_name", "start_key", "status",
            "epoch", "error", "usage", "cost", "currency", "ttft_ms", "duration_ms", "tokens_per_second",
            "created_at", "claimed_at", "finished_at",
        )  # fmt: skip
        self.calls = Table(
            ModelCall, "id", "user_id", "pseudonym", "conversation_id", "run_id", "step", "attempt", "provider",
            "model", "upstream_id", "request_id", "http_status", "outcome", "finish_reason", "started_at", "queue_ms",
            "connect_ms", "ttft_ms", "duration_ms", "input_tokens", "output_tokens", "usage_source", "price", "cost",
            "currency",
        )  # fmt: skip
        self.invocations = Table(
            ToolInvocation, "id", "user_id", "conversation_id", "run_id", "step", "call_id", "name", "kind", "queue",
            "arguments", "status", "epoch", "attempts", "result", "created_at", "started_at", "finished_at",
        )  # fmt: skip
        self.attachments = Table(
            Attachment,
            "id",
            "user_id",
            "invocation_id",
            "epoch",
            "name",
            "media_type",
            "size",
            "sha256",
            "created_at",
        )
        self.deliveries = Table(
            WebhookDelivery, "id", "endpoint_id", "event", "payload", "status", "attempts", "next_attempt_at",
            "last_attempt_at", "last_status", "duration_ms", "created_at", "finished_at",
        )  # fmt: skip
        self.wire_records = Table(
            WireRecord, "id", "user_id", "conversation_id", "run_id", "provider", "model", "dialect", "created_at",
            "kept_because", "outcome", "url", "http_status", "size", "request", "response",
        )  # fmt: skip
        self._prices: dict[str, str] = {}

    def counts(self) -> dict[str, int]:
        return {name.replace("_", " "): table.count for name, table in self._tables()}

    def flush(self) -> None:
        for _, table in self._tables():
            table.flush()

    def _tables(self) -> list[tuple[str, Table]]:
        return [(name, table) for name, table in vars(self).items() if isinstance(table, Table)]

    def _words(self, count: int) -> str:
        return " ".join(self.chance.choices(self.words, k=count))

    def new_key(self, seconds: float) -> str:
        return key_of(seconds, self.chance)

    def conversation(self, key: str, user: Person, began: float, ended: float) -> None:
        chance = self.chance
        archived, pinned = chance.random() < 0.1, chance.random() < 0.02
        self.conversations.add(
            key, user.key, chance.choice(self.titles), archived, pinned, stamp(began), stamp(ended)
        )

    def message(self, at: float, conversation: str, parent: str | None, role: str, model: str) -> str:
        key = self.new_key(at)
        self.messages.add(key, conversation, parent, role, self.chance.choice(self.texts), model, stamp(at))
        return key

    def run(self, at: float, user: Person, conversation: str, message: str, model: Model) -> float:
        """When it ended."""
        chance, key, now, cost = self.chance, self.new_key(at), at, Decimal(0)
        steps = 1 if chance.random() < 0.65 else chance.randint(2, 5)
        status = chance.choices(("completed", "stopped", "failed"), (94, 4, 2))[0]
        sums: dict[str, int] = {}
        for step in range(1, steps + 1):
            last = step == steps
            tries = 1 if chance.random() < 0.93 else 2
            for attempt in range(1, tries + 1):
                broke = attempt < tries or (last and status == "failed")
                outcome = chance.choice(FAILURES) if broke else status if last else "completed"
                now, spent = self._call(now, user, conversation, key, step, attempt, model, outcome, sums)
                cost += spent
            if not last:
                now = self._invocation(now, user, conversation, key, step)
        error = None
        if status == "failed":
            error = as_json(
                {"code": "provider_overloaded", "message": "The provider is overloaded.", "retryable": True}
            )
        took = int((now - at) * 1000)
        # As the engine counts: where every attempt failed, nothing is known.
        counted = {**dict.fromkeys(COUNTERS), **sums, "source": "reported" if sums else "unknown"}
        usage, money = as_json(counted), (f"{cost:f}", "USD") if sums else (None, "")
        self.runs.add(
            key, user.key, conversation, message, model.key, model.name, self.new_key(at), status, 1, error, usage,
            *money, min(took, 700), took, 48.5, stamp(at), stamp(at), stamp(now),
        )  # fmt: skip
        if user.endpoint is not None:
            self._delivery(now, user.endpoint, key, status)
        return now

    def _call(
        self, at: float, user: Person, conversation: str, run: str, step: int, attempt: int, model: Model,
        outcome: str, sums: dict[str, int],
    ) -> tuple[float, Decimal]:  # fmt: skip
        chance, key = self.chance, self.new_key(at)
        failed = outcome in FAILURES
        read, said = (None, None) if failed else (chance.randint(50, 6000), chance.randint(5, 900))
        cost = None if failed else cost_of(Usage(read, said), model.prices)
        seconds = chance.uniform(0.4, 12.0)
        self.calls.add(
            key, user.key, user.pseudonym, conversation, run, step, attempt, model.provider, model.bare,
            f"chatcmpl-{key[8:]}", f"req_{key[:20]}", 503 if failed else 200, outcome, "" if failed else "stop",
            stamp(at), 0, 80, None if failed else chance.randint(150, 1500), int(seconds * 1000), read, said,
            "unknown" if failed else "reported", self._price(model), None if cost is None else f"{cost:f}",
            "" if failed else "USD",
        )  # fmt: skip
        if not failed:
            sums["input_tokens"] = sums.get("input_tokens", 0) + read
            sums["output_tokens"] = sums.get("output_tokens", 0) + said
        if failed or chance.random() < 0.01:
            self.wire_records.add(
                key, user.key, conversation, run, model.provider, model.bare, "openai_chat", stamp(at + seconds),
                "failed" if failed else "sampled", outcome, "https://api.example.org/v1/chat/completions",
                503 if failed else 200, 2 * len(self.wire), self.wire, self.wire,
            )  # fmt: skip
        return at + seconds, cost or Decimal(0)

    def _price(self, model: Model) -> str:
        if model.name not in self._prices:
            self._prices[model.name] = as_json(msgspec.to_builtins(model.prices))
        return self._prices[model.name]

    def _invocation(self, at: float, user: Person, conversation: str, run: str, step: int) -> float:
        chance, key = self.chance, self.new_key(at)
        name = chance.choices(TOOLS, (30, 10, 40, 20, 5, 5))[0]
        status = chance.choices(("succeeded", "failed", "timed_out"), (95, 4, 1))[0]
        done = at + chance.uniform(0.01, 4.0)
        asked = as_json({"query": self.chance.choice(self.titles)})
        self.invocations.add(
            key, user.key, conversation, run, step, f"call_{key[12:]}", name, "local", "tools", asked, status,
            1, 1, RESULT, stamp(at), stamp(at), stamp(done),
        )  # fmt: skip
        if chance.random() < 0.2:
            media_type = chance.choice(("text/csv", "image/png", "application/pdf", "text/plain"))
            self.attachments.add(
                self.new_key(done), user.key, key, 1, "table.csv", media_type, chance.randint(100, 10**6),
                f"{chance.getrandbits(256):064x}", stamp(done),
            )  # fmt: skip
        return done

    def _delivery(self, at: float, endpoint: str, run: str, status: str) -> None:
        stands = self.chance.choices(("delivered", "dead"), (98, 2))[0]
        moment, payload = stamp(at), as_json({"event": "run.finished", "run": run, "status": status})
        self.deliveries.add(
            self.new_key(at), endpoint, "run.finished", payload, stands, 1, moment, moment,
            200 if stands == "delivered" else 500, self.chance.randint(20, 900), moment, moment,
        )  # fmt: skip
