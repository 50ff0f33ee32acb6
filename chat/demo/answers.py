"""The scripted answers of the model `demo`, chosen by a word in the last user message."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from chat.demo.pictures import description_of
from chat.demo.script import DemoRequest, ToolAnswer

ECHO_CHARACTERS = 60
RESULT_CHARACTERS = 400

TOOLS_FIRST = "Let me look that up. "
REFUSAL = "I refuse to answer, as you asked me to. I am a script, no language model."

# About what a tokenizer makes of a text: a few letters with the blanks before them, one or two
# Chinese characters.
_PIECE = re.compile(r"\s*[\u2e80-\u9fff\uff00-\uffef]{1,2}|\s*[^\s\u2e80-\u9fff\uff00-\uffef]{1,8}|\s+")


@dataclass(frozen=True)
class Answer:
    text: str
    reasoning: str = ""


def pieces(text: str) -> list[str]:
    """The text as deltas; joined they are the text again."""
    return _PIECE.findall(text)


def answer_for(request: DemoRequest) -> Answer:
    """The first answer one of whose words is in the prompt, else a tour of what a message can hold."""
    words = request.prompt.lower()
    chosen = next((write for pattern, write in _BY_WORD if pattern.search(words)), None)
    if not request.pictures:
        return (chosen or _tour)(request)
    description = description_of(request.pictures)
    answer = chosen(request) if chosen else Answer("")
    return Answer(f"{description}\n{answer.text}" if answer.text else description, answer.reasoning)


def asks_for_a_refusal(prompt: str) -> bool:
    return _REFUSE.search(prompt.lower()) is not None


def answer_with(results: Sequence[ToolAnswer]) -> str:
    """A sentence for each result that uses it."""
    lines = [f"- `{result.name}` says: {_shortened(result.text)}" for result in results]
    return "Here is what the tools found (told by a script, no language model):\n\n" + "\n".join(lines) + "\n"


def _shortened(text: str) -> str:
    line = " ".join(text.split())
    return line[:RESULT_CHARACTERS] + ("…" if len(line) > RESULT_CHARACTERS else "")


def _tour(request: DemoRequest) -> Answer:
    first_line = request.prompt.strip().partition("\n")[0].strip()
    shown = first_line[:ECHO_CHARACTERS] + ("…" if len(first_line) > ECHO_CHARACTERS else "")
    quoted = shown.replace("`", "'") or "(nothing)"
    return Answer(_TOUR.format(turn=request.turn, quoted=quoted))


def _fixed(text: str, reasoning: str = "") -> Callable[[DemoRequest], Answer]:
    answer = Answer(text, reasoning)
    return lambda _: answer


_TOUR = """\
## A scripted answer

I am **no language model**, only a script that ships with this app so that it can be tried without a key. \
This is message {turn} of yours in this conversation, and it said: `{quoted}`

### What a message can hold

- **Bold**, *italic* and `code` in a line
- Lists, also nested
  1. with numbers
  2. one after another
- A [link](https://www.markdownguide.org/) that opens elsewhere

| Ask for | and you see |
|---|---|
| `code` | a longer program |
| `table` | a wider table |
| `think` | reasoning before the answer |
| `中文` | an answer in Chinese |
| `refuse` | how a model declines |
| `call:NAME {{json}}` | a call of that tool, if it is offered |
| `fail:cut` | what a broken line looks like |

```python
def greet(name: str) -> str:
    return f"Hello, {{name}}!"
```

> To talk to a real model, add a provider in the settings.
"""

_HELLO = """\
Hello! I am **no language model**, only a scripted stand-in that answers while no provider is set up. \
Ask me for a `table`, for `code`, or for something `long`.
"""

_TABLE = """\
### Planets, as a table

This table was written by a script, not by a language model.

| Planet | Radius (km) | Day (hours) | Moons | Known for |
|:---|---:|---:|---:|:---|
| Mercury | 2,440 | 4,222.6 | 0 | the shortest year |
| Venus | 6,052 | 2,802.0 | 0 | the hottest surface |
| Earth | 6,371 | 24.0 | 1 | its oceans |
| Mars | 3,390 | 24.7 | 2 | the highest volcano |
| Jupiter | 69,911 | 9.9 | 95 | a storm older than telescopes |
| Saturn | 58,232 | 10.7 | 146 | its rings |

The numbers on the right are aligned to the right.
"""

_CODE = """\
A scripted example (no language model wrote it): the first prime numbers, by **sieve**.

```python
def primes_below(limit: int) -> list[int]:
    \"\"\"All primes below `limit`, by the sieve of Eratosthenes.\"\"\"
    is_prime = bytearray([1]) * limit
    is_prime[:2] = b"\\0\\0"
    for number in range(2, int(limit**0.5) + 1):
        if is_prime[number]:
            is_prime[number * number :: number] = bytes(len(range(number * number, limit, number)))
    return [number for number in range(limit) if is_prime[number]]


print(primes_below(50))
```

Run it with:

```sh
python primes.py
```

It prints `[2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47]`.
"""

_CHINESE = """\
## 脚本回答

你好!我**不是语言模型**,只是随应用附带的一个脚本,让你在没有密钥的情况下也能试用。

1. 文字会逐字流式显示
2. 中英文混排,例如 Markdown 和 `代码`
3. 全角标点:“引号”、(括号)、——破折号……

| 请求 | 结果 |
|---|---|
| 表格 | 一张表 |
| 代码 | 一段程序 |

> 想和真正的模型对话,请在设置中添加服务商。
"""

_REASONING = """\
The question asks me to think, so I show how reasoning looks before an answer.

First, what is known: I am a script, and 17 × 23 has to be computed. 17 × 20 is 340, and 17 × 3 is 51. \
Together that makes 391.

Check: 391 / 17 = 23. It holds.
"""

_REASONED = """\
17 × 23 = **391**.

The reasoning above came from a script too: I am no language model.
"""

_UNICODE = """\
### Characters that like to break

From a script, not from a language model:

- Emoji: 😀 🚀 👍🏽 👩‍👩‍👧‍👦 🇩🇪 🏳️‍🌈
- Accents, composed and decomposed: é é, ñ ñ, Å Å
- Right to left: שלום, مرحبا بالعالم
- Scripts: Ελληνικά, Кириллица, 日本語, 한국어, ไทย, हिन्दी
- Beyond the basic plane: 𝒳 𝔘 𠮷 🜁
- Separators inside a line: [\u2028] [\u2029] [\u0085] [\u200b] [\ufeff]
- Looks like HTML: <b>not bold</b> &amp; <script>alert(1)</script>
- Typography: “quotes” – dash — dash … ½ × ≤ ∞
"""

_PARAGRAPHS = (
    "The lamp is lit at dusk. Whoever keeps it climbs the stairs with a can of oil in one hand and the "
    "other on the rail, and counts the steps without meaning to. There are **one hundred and ninety-six**, "
    "and each has a sound.",
    "Ships do not see the keeper. They see a point that appears, swings past and is gone, and from the "
    "seconds between two flashes they know which coast this is. *A rhythm is a name* that can be read in "
    "the dark.",
    "In the log there is a line for every night: wind, cloud, oil used, ships seen. Most lines are alike. "
    "The few that are not were written in the same hand, with the same pen, and take no more room than the "
    "others.",
    "When the light was made electric the stairs stayed as they were. Someone still climbs them, with a "
    "cloth instead of a can, because `glass gathers salt` whatever burns behind it.",
)


def _long_text(chapters: int = 7) -> str:
    parts = ["# A long answer\n\nScripted, by no language model, to see how a long message scrolls.\n"]
    for chapter in range(1, chapters + 1):
        turned = _PARAGRAPHS[chapter % 4 :] + _PARAGRAPHS[: chapter % 4]
        body = "\n\n".join(turned[:3])
        parts.append(f"\n## Chapter {chapter}\n\n{body}\n\n- First remark\n- Second remark\n")
    return "".join(parts) + "\nThat was all.\n"


_REFUSE = re.compile(r"\b(?:refuse|refusal)\b")


def _words(*alternatives: str) -> re.Pattern[str]:
    return re.compile(r"\b(?:" + "|".join(alternatives) + r")\b")


_BY_WORD: tuple[tuple[re.Pattern[str], Callable[[DemoRequest], Answer]], ...] = (
    (re.compile(r"中文|汉语|\bchinese\b"), _fixed(_CHINESE)),
    (_words("reason", "reasoning", "think", "thinking"), _fixed(_REASONED, _REASONING)),
    (_words("unicode", "emoji", "emojis"), _fixed(_UNICODE)),
    (_words("table", "tables"), _fixed(_TABLE)),
    (_words("code", "program"), _fixed(_CODE)),
    (_words("long", "longer"), _fixed(_long_text())),
    (_words("hello", "hi", "hey"), _fixed(_HELLO)),
)
