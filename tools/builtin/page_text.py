"""The readable text of an HTML page, made in a process of its own.

Parsers in C have pages on which they take minutes, or all memory, or end the process. So this file is run as a program
by `fetch_page`: HTML in UTF-8 on standard input, JSON on standard output, bounded by the kernel, with nothing secret in
its environment.
"""

import json
import sys

CPU_SECONDS = 10
MEMORY_BYTES = 1_500_000_000
SHORT_CHARACTERS = 200
"""Less is no article; then all text of the page is given."""


def main() -> None:
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    except (ImportError, ValueError, OSError):
        pass  # not on this system: the time limit of the parent remains
    html = sys.stdin.buffer.read().decode("utf-8", "replace")
    json.dump(page_text(html), sys.stdout)


def page_text(html: str) -> dict[str, str]:
    import trafilatura  # here, because it takes 30 MB and 200 ms

    text = (
        trafilatura.extract(html, output_format="markdown", include_comments=False, favor_recall=True) or ""
    )
    if len(text) < SHORT_CHARACTERS:
        everything = trafilatura.html2txt(html) or ""
        text = everything if len(everything) > len(text) else text
    found = trafilatura.extract_metadata(html)
    return {"title": (found.title if found else "") or "", "text": text}


if __name__ == "__main__":
    main()
