"""What rules cost a delta: `python -m bench.moderation`, with STREAM_CORPUS_DIR on recorded streams.

The deltas are those of all recordings of Chat Completions; each stream is held against rules of which none, or some,
find something in it.
"""

import json
import os
import statistics
import time
from pathlib import Path
from uuid import UUID

from chat.moderation.rules import Kind, Rule, RuleSet
from chat.moderation.stream_filter import StreamFilter

WORDS = [
    "confidential", "project falcon", "wire transfer", "social security", "passport number", "launch code", "insider",
    "merger", "layoff",
    "salary", "password", "api key", "private key", "secret", "internal only",
    "do not share", "unreleased",
    "prototype", "lawsuit", "settlement", "whistleblower", "embargo", "bribe", "kickback", "laundering",
    "offshore", "shell company",
    "exploit", "zero day", "botnet", "ransom", "keylogger", "phishing", "机密", "内部资料", "身份证", "银行卡",
]  # fmt: skip
PATTERNS = [
    r"sk-[A-Za-z0-9]{20,48}", r"AKIA[A-Z0-9]{16}", r"ghp_[A-Za-z0-9]{36}", r"\bEMP-[0-9]{4,8}\b",
    r"(?i)case no\. [0-9]{4,9}",
    r"-----BEGIN [A-Z ]{3,30}KEY-----", r"xox[bp]-[A-Za-z0-9\-]{10,60}", r"\b[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]{4}){3,7}\b",
    r"(?i)falcon[- ]?(?:one|two|nine)",
]  # fmt: skip
LONGEST = {"email": 345, "phone": 64, "card": 37, "cn_id": 18}


def made(kind: Kind, pattern: str = "", longest: int = 64) -> Rule:
    return Rule(UUID(int=0), pattern or kind, kind, pattern, LONGEST.get(kind, longest), "mask")


def streams() -> list[list[str]]:
    """The deltas of each recorded stream."""
    found = []
    for path in sorted(Path(os.environ.get("STREAM_CORPUS_DIR", "")).glob("*-chat/*.sse")):
        deltas = []
        for line in path.read_text(errors="replace").splitlines():
            try:
                choices = json.loads(line.removeprefix("data:")).get("choices") or [{}]
                text = (choices[0].get("delta") or {}).get("content")
            except (ValueError, AttributeError):
                continue
            if isinstance(text, str) and text:
                deltas.append(text)
        if len(deltas) > 1:
            found.append(deltas)
    return found


DENSE = [
    ["Write ", "to bob", "@exam", "ple.org", " or ", "call ", "415-", "555-", "2671", " the ", "sec", "ret "]
    * 50
]
"""A stream in which rules find something all the time."""


def measure(rules: RuleSet, deltas: list[list[str]]) -> list[float]:
    """Microseconds of each delta, as they were: in one pass, with whatever else the machine had to do."""
    took = []
    for stream in deltas:
        filtered = StreamFilter(rules)
        for delta in stream:
            began = time.perf_counter_ns()
            filtered.add(delta)
            took.append((time.perf_counter_ns() - began) / 1000)
    return took


def row(name: str, took: list[float]) -> str:
    took = sorted(took)
    at = [took[int(len(took) * place)] for place in (0.95, 0.99)]
    return f"| {name} | {statistics.median(took):.1f} | {at[0]:.1f} | {at[1]:.1f} | {statistics.mean(took):.1f} |"


def main() -> None:
    deltas = streams()
    words = [made("literal", word) for word in WORDS]
    patterns = [made("regex", pattern) for pattern in PATTERNS]
    persons = [made("email"), made("phone"), made("card"), made("cn_id")]
    sets = {
        "1 rule (words)": words[:1],
        "4 recognisers": persons,
        f"{len(words)} words": words,
        f"{len(words) + len(patterns) + len(persons)} rules": words + patterns + persons,
    }
    print(f"{sum(map(len, deltas))} deltas of {len(deltas)} streams\n")
    print("| rules | median µs | p95 µs | p99 µs | mean µs |\n|---|---|---|---|---|")
    for name, given in sets.items():
        rules = RuleSet(given)
        print(row(f"{name}, first pass", measure(rules, deltas)))
        print(row(f"{name}, ten passes more", [one for _ in range(10) for one in measure(rules, deltas)]))
    print(
        row(
            "all of them, a match every few deltas", [one for _ in range(10) for one in measure(rules, DENSE)]
        )
    )


if __name__ == "__main__":
    main()
