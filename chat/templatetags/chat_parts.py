"""How stored parts become what a turn shows, and figures become words.

The browser's twins: render/segments.ts and format.ts.
"""

import json
import re
from collections.abc import Collection, Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from django import template
from django.utils.safestring import SafeString, mark_safe

from chat.pages.markdown import render_markdown
from chat.pages.names import shown_name
from chat.pages.tool_words import (
    fields_of,
    gist_of,
    offers_again,
    result_text,
    state_icon,
    state_word,
    why_words,
)

register = template.Library()

_BETWEEN_THOUGHTS = "\n\n"


class _Segments:
    """Collects parts in their order: words, thoughts, refusals, runs of tool calls; sources come last."""

    def __init__(self, invocations: Mapping[str, Mapping[str, Any]], *, live: bool) -> None:
        self._invocations = invocations
        self._live = live
        # An answer that has ended gives none of its calls a result any more.
        self._unanswered = "" if live else "cancelled"
        self.items: list[dict[str, Any]] = []
        self.sources: list[dict[str, Any]] = []
        self._calls: dict[str, dict[str, Any]] = {}

    def add(self, part: Mapping[str, Any]) -> None:
        kind = part.get("type")
        if kind in ("text", "reasoning", "refusal"):
            self._words(str(kind), str(part.get("text", "")))
        elif kind == "tool_call":
            self._call(part)
        elif kind == "tool_result" and part.get("invocation") in self._calls:
            call = self._calls[str(part["invocation"])]
            call.update(
                status=str(part.get("status", "unknown")),
                result=part.get("result"),
                waits_for="",
                files=part.get("files", ()),
            )
        elif kind == "citation":
            self.sources.append({"number": len(self.sources) + 1, **part})

    def _words(self, kind: str, text: str) -> None:
        if kind == "reasoning" and not text:
            return  # a thought without words: only what the provider wants to have back
        if self.items and self.items[-1]["kind"] == kind:
            self.items[-1]["text"] += (_BETWEEN_THOUGHTS if kind == "reasoning" else "") + text
        else:
            self.items.append({"kind": kind, "text": text})

    def _call(self, part: Mapping[str, Any]) -> None:
        invocation = str(part.get("invocation", ""))
        row = self._invocations.get(invocation, {})
        call = {
            "invocation": invocation,
            "live": self._live,
            "name": part.get("name", ""),
            "arguments": part.get("arguments"),
            "status": self._unanswered or row.get("status") or "pending",
            "waits_for": "" if self._unanswered else row.get("waits_for", ""),
            "result": None,
            "files": (),
            "fraction": row.get("fraction"),
            "note": row.get("note", ""),
            "seconds": row.get("seconds"),
            "duration_ms": row.get("duration_ms"),
        }
        self._calls[call["invocation"]] = call
        if self.items and self.items[-1]["kind"] == "tools":
            self.items[-1]["calls"].append(call)
        else:
            self.items.append({"kind": "tools", "calls": [call]})


@register.filter
def in_words(call: Mapping[str, Any] | None) -> dict[str, Any]:
    """What a card shows of a call that `segments` has found; of none, the empty one that the script fills."""
    if not call:
        return {"word": "", "fields": []}
    status, waits_for, result = call["status"], call["waits_for"], call["result"]
    fields = fields_of(call["arguments"])
    under_way = status in ("running", "waiting") and waits_for != "approval"
    word = state_word(status, waits_for)
    if status == "succeeded" and call["duration_ms"] is not None:
        word = duration(call["duration_ms"])
    if under_way and call["seconds"]:
        word = _time_of(call, word)
    return {
        "word": word,
        "icon": state_icon(status, waits_for),
        "why": why_words(status, waits_for, result),
        "result": result_text(status, result),
        "fields": fields,
        "gist": (call["note"] if under_way else "") or gist_of(fields),
        "fraction": call["fraction"] if under_way else None,
        "note": call["note"] if under_way else "",
        "seconds": call["seconds"] if under_way else None,
        "approval": status == "waiting" and waits_for == "approval",
        "again": not call["live"] and offers_again(status),
    }


def _time_of(call: Mapping[str, Any], word: str) -> str:
    """As the script writes it: how far it is, or what it waits for, and for how long."""
    seconds, fraction = call["seconds"], call["fraction"]
    time = f"{seconds} s" if seconds < 120 else f"{seconds // 60} min"
    if fraction is not None:
        return f"{int(fraction * 100 + 0.5)} % · {time}"
    return time if call["status"] == "running" else f"{word} · {time}"


@register.filter
def segments(
    parts: Iterable[Mapping[str, Any]], turn: Mapping[str, Any] | None = None
) -> list[dict[str, Any]]:
    """A message's parts as dicts with `kind`: text, reasoning, refusal (`text`), tools (`calls`), sources.

    Of its `turn` are read `invocations`, what the rows tell of its calls, by their keys, and whether it is `live`.
    """
    turn = turn or {}
    collected = _Segments(turn.get("invocations", {}), live=turn.get("live", False))
    for part in parts or ():
        collected.add(part)
    if collected.sources:
        collected.items.append({"kind": "sources", "sources": collected.sources})
    return collected.items


@register.filter
def markdown(text: str) -> SafeString:
    return mark_safe(render_markdown(text))  # noqa: S308 - render_markdown sanitises


_HAN = re.compile("[\u3400-\u9fff\uf900-\ufaff]")
_KANA = re.compile("[\u3040-\u30ff]")


@register.filter
def language(text: str) -> str:
    """`zh` where Han signs make up a fifth of the beginning and no kana says that it is Japanese, else nothing."""
    start = text[:200]
    han = len(_HAN.findall(start))
    return "zh" if han and not _KANA.search(start) and han * 5 >= len("".join(start.split())) else ""


@register.filter
def source(parts: Iterable[Mapping[str, Any]]) -> str:
    """What "Copy as Markdown" copies: the words alone."""
    return "".join(str(part.get("text", "")) for part in parts or () if part.get("type") == "text")


@register.filter
def thousands(number: int | None) -> str:
    return "" if number is None else f"{number:,}"


@register.filter
def counted(tokens: int) -> str:
    """`1 token`, `1,212 tokens`."""
    return f"{tokens:,} {'token' if tokens == 1 else 'tokens'}"


@register.filter
def money(cost: Mapping[str, str] | None) -> str:
    """`{"amount": "0.001550", "currency": "USD"}` as $0.00155: cents, or as many digits as say something."""
    if not cost:
        return ""
    try:
        amount = Decimal(cost["amount"])
    except (InvalidOperation, KeyError):
        return ""
    digits = 2 if amount >= 1 else max(4, 1 - amount.adjusted()) if amount else 0
    text = f"{amount:,.{digits}f}"
    if digits > 2:
        text = text.rstrip("0").rstrip(".")
    currency = cost.get("currency", "USD")
    return f"${text}" if currency == "USD" else f"{text} {currency}"


@register.filter
def amount(cost: Any) -> str:
    """The same of an `amount` and a `currency` that are no JSON yet."""
    return money({"amount": str(cost.amount), "currency": cost.currency})


@register.filter
def file_size(size: int) -> str:
    """`812 bytes`, `4 kB`, `1.2 MB`. Whole numbers throughout, so that both languages round alike."""
    if size < 1000:
        return f"{size} {'byte' if size == 1 else 'bytes'}"
    if size < 999_500:
        return f"{(size + 500) // 1000} kB"
    return f"{(size + 50_000) // 100_000 / 10:.1f} MB"


@register.filter
def shown_model(name: str | None, shared: Collection[str] = ()) -> str:
    """`provider/org/model` without the provider, unless its bare name is among those that are shared."""
    return shown_name(name or "", shared or ())


@register.filter
def as_json(value: Any) -> str:
    """For a data attribute; the template escapes it."""
    return json.dumps(value, default=str)


@register.filter
def duration(ms: int) -> str:
    """`0.61 s`, `9.3 s`, `72 s`, `6 min`. Whole numbers throughout, so that both languages round alike."""
    if ms < 1000:
        return f"{(ms + 5) // 10 / 100:.2f} s"
    if ms < 10_000:
        return f"{(ms + 50) // 100 / 10:.1f} s"
    seconds = (ms + 500) // 1000
    return f"{seconds} s" if seconds < 120 else f"{(seconds + 30) // 60} min"


@register.filter
def model_facts(model: Mapping[str, Any]) -> str:
    """`$3 / $15 · 200k`: price of a million tokens in and out, and the context; only what is known."""
    facts = []
    if prices := _prices(model):
        into, out = map(_plain, prices)
        currency = model.get("currency") or "USD"
        if not any(prices):
            facts.append("free")
        else:
            facts.append(f"${into} / ${out}" if currency == "USD" else f"{into} / {out} {currency}")
    if model.get("context_window"):
        facts.append(f"{round(int(model['context_window']) / 1000)}k")
    return " · ".join(facts)


@register.filter
def model_facts_title(model: Mapping[str, Any]) -> str:
    """The units of `model_facts`, in words."""
    prices = _prices(model)
    units = []
    if prices and any(prices):
        units.append(f"{model.get('currency') or 'USD'} per million tokens in / out")
    if model.get("context_window"):
        units.append("tokens of context")
    return " · ".join(units)


def _prices(model: Mapping[str, Any]) -> tuple[Decimal, Decimal] | None:
    into, out = model.get("price_in"), model.get("price_out")
    if into in (None, "") or out in (None, ""):
        return None
    return Decimal(str(into)), Decimal(str(out))


def _plain(price: Decimal) -> str:
    text = f"{price:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
