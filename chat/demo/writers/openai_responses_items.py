"""The output items of a Responses answer: each opens, grows by deltas, and says at its end what it was."""

import uuid
from typing import Any

Event = tuple[str, dict[str, Any]]
"""Type, and fields besides type and sequence number."""


class Item:
    """`delta_type` and `delta_fields` are those of its delta events, without the delta."""

    delta_type = ""
    prefix = ""

    def __init__(self, output_index: int) -> None:
        self.id = f"{self.prefix}_{uuid.uuid4().hex}"
        self.output_index = output_index
        self.pieces: list[str] = []

    @property
    def text(self) -> str:
        return "".join(self.pieces)

    @property
    def place(self) -> dict[str, Any]:
        return {"item_id": self.id, "output_index": self.output_index}

    @property
    def delta_fields(self) -> dict[str, Any]:
        return self.place

    def opened(self) -> list[Event]:
        return [("response.output_item.added", {"output_index": self.output_index, "item": self._empty()})]

    def closed(self, status: str) -> list[Event]:
        item = self.as_json(status)
        return [("response.output_item.done", {"output_index": self.output_index, "item": item})]

    def as_json(self, status: str) -> dict[str, Any]:
        raise NotImplementedError

    def _empty(self) -> dict[str, Any]:
        raise NotImplementedError


class TextItem(Item):
    """A message, with one part of text."""

    delta_type = "response.output_text.delta"
    prefix = "msg"

    @property
    def delta_fields(self) -> dict[str, Any]:
        return {**self.place, "content_index": 0, "logprobs": []}

    def opened(self) -> list[Event]:
        added = {**self.place, "content_index": 0, "part": self._part("")}
        return [*super().opened(), ("response.content_part.added", added)]

    def closed(self, status: str) -> list[Event]:
        place = {**self.place, "content_index": 0}
        part_done = ("response.content_part.done", {**place, "part": self._part(self.text)})
        return [self._text_done(place), part_done, *super().closed(status)]

    def as_json(self, status: str) -> dict[str, Any]:
        return {**self._empty(), "status": status, "content": [self._part(self.text)]}

    def _empty(self) -> dict[str, Any]:
        return {"id": self.id, "type": "message", "status": "in_progress", "role": "assistant", "content": []}

    def _part(self, text: str) -> dict[str, Any]:
        return {"type": "output_text", "annotations": [], "logprobs": [], "text": text}

    def _text_done(self, place: dict[str, Any]) -> Event:
        return "response.output_text.done", {**place, "text": self.text, "logprobs": []}


class RefusalItem(TextItem):
    delta_type = "response.refusal.delta"

    @property
    def delta_fields(self) -> dict[str, Any]:
        return {**self.place, "content_index": 0}

    def _part(self, text: str) -> dict[str, Any]:
        return {"type": "refusal", "refusal": text}

    def _text_done(self, place: dict[str, Any]) -> Event:
        return "response.refusal.done", {**place, "refusal": self.text}


class ReasoningItem(Item):
    """Reasoning, shown as a summary of one part; `encrypted` where the request wants it to send it back."""

    delta_type = "response.reasoning_summary_text.delta"
    prefix = "rs"

    def __init__(self, output_index: int, encrypted: str | None) -> None:
        super().__init__(output_index)
        self._encrypted = {"encrypted_content": encrypted} if encrypted is not None else {}

    @property
    def delta_fields(self) -> dict[str, Any]:
        return {**self.place, "summary_index": 0}

    def opened(self) -> list[Event]:
        added = {**self.delta_fields, "part": {"type": "summary_text", "text": ""}}
        return [*super().opened(), ("response.reasoning_summary_part.added", added)]

    def closed(self, status: str) -> list[Event]:
        part = {"type": "summary_text", "text": self.text}
        return [
            ("response.reasoning_summary_text.done", {**self.delta_fields, "text": self.text}),
            ("response.reasoning_summary_part.done", {**self.delta_fields, "part": part}),
            *super().closed(status),
        ]

    def as_json(self, status: str) -> dict[str, Any]:
        return {**self._empty(), "summary": [{"type": "summary_text", "text": self.text}]}

    def _empty(self) -> dict[str, Any]:
        return {"id": self.id, "type": "reasoning", **self._encrypted, "summary": []}


class CallItem(Item):
    delta_type = "response.function_call_arguments.delta"
    prefix = "fc"

    def __init__(self, output_index: int, name: str) -> None:
        super().__init__(output_index)
        self.name = name
        self._call_id = f"call_{uuid.uuid4().hex[:24]}"

    def closed(self, status: str) -> list[Event]:
        done = {**self.place, "name": self.name, "arguments": self.text}
        return [("response.function_call_arguments.done", done), *super().closed(status)]

    def as_json(self, status: str) -> dict[str, Any]:
        return {**self._empty(), "status": status, "arguments": self.text}

    def _empty(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "type": "function_call",
            "status": "in_progress",
            "arguments": "",
            "call_id": self._call_id,
            "name": self.name,
        }
