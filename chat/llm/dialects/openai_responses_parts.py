"""The rarer parts of a Responses answer: citations, images, and what the provider ran itself."""

from collections.abc import Iterator
from typing import Any

from chat.llm.deltas import CitationDelta, ImageDelta, ServerItem
from chat.llm.dialects.json_values import listed, text_at
from chat.llm.dialects.openai_responses_tools import DIALECT
from chat.llm.dialects.text import clean, clean_json


def citations_of(annotations: Any) -> Iterator[CitationDelta]:
    """`url_citation` annotations; file citations have no address to show."""
    for annotation in listed(annotations):
        url = text_at(annotation, "url")
        if url:
            start, end = annotation.get("start_index"), annotation.get("end_index")
            yield CitationDelta(
                clean(url),
                clean(text_at(annotation, "title")),
                start if isinstance(start, int) else None,
                end if isinstance(end, int) else None,
            )


def images_of(item: dict[str, Any]) -> Iterator[ImageDelta]:
    """The result of `image_generation_call`, the plots of `code_interpreter_call`."""
    result = text_at(item, "result")
    if item.get("type") == "image_generation_call" and result:
        yield ImageDelta(f"image/{text_at(item, 'output_format') or 'png'}", data=clean(result))
    for output in listed(item.get("outputs")):
        url = text_at(output, "url")
        if output.get("type") == "image" and url.startswith("data:"):
            head, _, data = url[5:].partition(",")
            yield ImageDelta(clean(head.partition(";")[0]), data=clean(data))
        elif output.get("type") == "image" and url.startswith("https://"):
            yield ImageDelta("", url=clean(url))


def server_item_of(item: dict[str, Any]) -> ServerItem:
    """Images are told apart, and not kept twice; the members that held them stay, since requests must have them."""
    kept = dict(item)
    if item.get("type") == "image_generation_call":
        kept["result"] = None
    if isinstance(item.get("outputs"), list):
        kept["outputs"] = [output for output in listed(item["outputs"]) if output.get("type") != "image"]
    return ServerItem(clean(text_at(item, "type")), {"dialect": DIALECT, "item": clean_json(kept)})


def phase_of(item: dict[str, Any]) -> ServerItem | None:
    """What a message is, `commentary` or `final_answer`: goes back with its text, which is told in deltas."""
    phase = clean(text_at(item, "phase"))
    return ServerItem("message", {"dialect": DIALECT, "item": {"phase": phase}}) if phase else None
