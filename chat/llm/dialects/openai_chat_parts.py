"""The rarer parts of a chat answer: content lists, reasoning details, citations, images."""

from collections.abc import Iterator
from typing import Any, Final

from chat.llm.deltas import CitationDelta, ImageDelta
from chat.llm.dialects.text import clean, clean_json

_TEXTS: Final = ("text", "summary")
_THOUGHTS: Final = ("thinking", "reasoning")


def split_content(content: list[Any]) -> Iterator[tuple[str, str]]:
    """A content list as pairs of kind (`text`, `reasoning`, `refusal`) and text.

    Mistral thinks in `{type: thinking, thinking: [{type: text, text}]}`, Databricks in
    `{type: reasoning, summary: [{type: summary_text, text}]}`.
    """
    for part in content:
        if isinstance(part, str):
            yield "text", part
        elif isinstance(part, dict):
            kind = "reasoning" if part.get("type") in _THOUGHTS else "text"
            if isinstance(part.get("text"), str):
                yield kind, part["text"]
            if isinstance(part.get("refusal"), str):
                yield "refusal", part["refusal"]
            for name in _THOUGHTS if kind == "text" else (*_THOUGHTS, "summary"):
                for text in _texts_in(part.get(name)):
                    yield "reasoning", text


def _texts_in(value: Any) -> Iterator[str]:
    """Text inside of thinking is thinking, whatever it is called there."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        yield from (text for _, text in split_content(value))


class Details:
    """OpenRouter's `reasoning_details`, fragments put together, to be sent back as they came.

    https://openrouter.ai/docs/use-cases/reasoning-tokens: the sequence must not be altered or reordered.
    """

    def __init__(self) -> None:
        self._items: list[dict[str, Any]] = []
        self._pieces: list[list[str]] = []

    def add(self, fragments: list[Any]) -> str:
        """Returns the text to show, for servers that send reasoning nowhere else."""
        shown = ""
        for fragment in fragments:
            if not isinstance(fragment, dict):
                continue
            text = next((fragment[name] for name in _TEXTS if isinstance(fragment.get(name), str)), "")
            shown += text
            if self._items and _continues(self._items[-1], fragment):
                self._items[-1].update(
                    {k: v for k, v in fragment.items() if v is not None and k not in _TEXTS}
                )
                self._pieces[-1].append(text)
            else:
                self._items.append(dict(fragment))
                self._pieces.append([text])
        return shown

    def take(self) -> list[dict[str, Any]]:
        items, self._items = self._items, []
        pieces, self._pieces = self._pieces, []
        for item, texts in zip(items, pieces, strict=True):
            name = next((name for name in _TEXTS if isinstance(item.get(name), str)), None)
            if name is not None:
                item[name] = "".join(texts)
        cleaned: list[dict[str, Any]] = clean_json(items)
        return cleaned


def citation_of(annotation: Any) -> CitationDelta | None:
    """`{type: url_citation, url_citation: {url, title, start_index, end_index}}`, or the same flat."""
    if not isinstance(annotation, dict):
        return None
    body = annotation.get("url_citation")
    body = body if isinstance(body, dict) else annotation
    url, title = body.get("url"), body.get("title")
    if not isinstance(url, str) or not url:
        return None
    start, end = body.get("start_index"), body.get("end_index")
    return CitationDelta(
        clean(url),
        clean(title) if isinstance(title, str) else "",
        start if isinstance(start, int) else None,
        end if isinstance(end, int) else None,
    )


def listed_citations(citations: list[Any]) -> Iterator[tuple[str, str]]:
    """Perplexity's `search_results: [{url, title}]` or `citations: [url]`, as pairs of URL and title."""
    for item in citations[:100]:
        if isinstance(item, str) and item:
            yield clean(item), ""
        elif isinstance(item, dict) and isinstance(item.get("url"), str) and item["url"]:
            title = item.get("title")
            yield clean(item["url"]), clean(title) if isinstance(title, str) else ""


def image_of(image: Any) -> ImageDelta | None:
    """OpenRouter's `{type: image_url, image_url: {url: "data:image/png;base64,..."}}`."""
    holder = image.get("image_url") if isinstance(image, dict) else None
    url = holder.get("url") if isinstance(holder, dict) else holder
    if not isinstance(url, str):
        return None
    if url.startswith("data:"):
        head, _, data = url[5:].partition(",")
        return ImageDelta(head.partition(";")[0] or "image/png", data=clean(data))
    return ImageDelta("", url=clean(url)) if url.startswith("https://") else None


def _continues(item: dict[str, Any], fragment: dict[str, Any]) -> bool:
    """Fragments of one detail share type and index; encrypted ones always come whole."""
    kind = item.get("type")
    if kind != fragment.get("type") or kind not in ("reasoning.text", "reasoning.summary"):
        return False
    same_id = not fragment.get("id") or not item.get("id") or fragment["id"] == item["id"]
    return same_id and item.get("index") == fragment.get("index")
