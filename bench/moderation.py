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


def measure(rules: RuleSet, deltas: list[list[str]]) -> list[float]:
    """Microseconds of each delta: the least of five rounds, so that it is ours and not the machine's."""
    rounds = []
    for _ in range(5):
        took = []
        for stream in deltas:
            filtered = StreamFilter(rules)
            for delta in stream:
                began = time.perf_counter_ns()
                filtered.add(delta)
                took.append((time.perf_counter_ns() - began) / 1000)
        rounds.append(took)
    return [min(times) for times in zip(*rounds, strict=True)]


def main() -> None:
    deltas = streams()
    words = [made("literal", word) for word in WORDS]
    patterns = [made("regex", pattern) for pattern in PATTERNS]
    persons = [made("email"), made("phone"), made("card"), made("cn_id")]
    sets = {
        "1 rule (words)": words[:1],
        "4 recognisers": persons,
        f"{len(words)} words": words,
        f"{len(words) + len(patterns) + len(persons)} rules: words, patterns, recognisers": words
        + patterns
        + persons,
    }
    count = sum(map(len, deltas))
    print(
        f"{count} deltas of {len(deltas)} streams\n\n| rules | median µs | p95 µs | mean µs |\n|---|---|---|---|"
    )
    for name, rules in sets.items():
        took = sorted(measure(RuleSet(rules), deltas))
        p95 = took[int(len(took) * 0.95)]
        print(f"| {name} | {statistics.median(took):.1f} | {p95:.1f} | {statistics.mean(took):.1f} |")


if __name__ == "__main__":
    main()
