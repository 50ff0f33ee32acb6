"""python -m tests.fuzz.harness TARGET [libFuzzer's arguments]: one target under atheris, until it says it is done.

`python -m tests.fuzz` starts this for each target, with atheris on the path.
"""

import random
import sys

import atheris  # type: ignore[import-untyped]  # installed by tests.fuzz.installation

with atheris.instrument_imports(include=["chat.llm"]):
    from tests.fuzz.targets import TARGETS

from tests.fuzz.seeds import seeds_of
from tests.fuzz.spoiling import events_of, hostile

BLIND_SHARE = 0.5
"""Of the changes that know nothing of events and JSON, as libFuzzer makes them; the other ones do."""
SPLICE_SHARE = 0.1


def main() -> None:
    name = sys.argv.pop(1)
    seeds = [events for seed in seeds_of(name) if (events := events_of(seed))]

    def changed(data: bytes, max_size: int, seed: int) -> bytes:
        dice = random.Random(seed)  # noqa: S311
        if name == "inflate" or dice.random() < BLIND_SHARE:
            return bytes(atheris.Mutate(data, len(data) + 1 if len(data) < max_size else max_size))
        events = events_of(data) or [b"data: {}\n\n"]
        if dice.random() < SPLICE_SHARE:
            events.insert(dice.randrange(len(events) + 1), dice.choice(dice.choice(seeds)))
        return hostile(events, dice)[:max_size]

    atheris.Setup(sys.argv, TARGETS[name], custom_mutator=changed)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
