"""Requests that were made before, sent over a few connections that stay open: a client that costs next to nothing."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field


@dataclass
class Answers:
    seconds: float = 0.0
    took: list[float] = field(default_factory=list)
    """Seconds of each."""
    said: Counter[tuple[int, bytes]] = field(default_factory=Counter)
    """Status and body."""

    @property
    def per_second(self) -> float:
        return len(self.took) / self.seconds

    @property
    def statuses(self) -> Counter[int]:
        counted: Counter[int] = Counter()
        for (status, _), count in self.said.items():
            counted[status] += count
        return counted


def request(port: int, path: str, body: bytes, headers: Mapping[str, str]) -> bytes:
    lines = [f"POST {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


async def send(port: int, requests: Iterable[bytes], connections: int) -> Answers:
    """All of them, each connection the next one as soon as it has its answer."""
    left, answers = iter(requests), Answers()
    lines = [await asyncio.open_connection("127.0.0.1", port) for _ in range(connections)]
    began = time.monotonic()
    await asyncio.gather(*(_talk(*line, left, answers) for line in lines))
    answers.seconds = time.monotonic() - began
    for _, writer in lines:
        writer.close()
    return answers


async def _talk(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, left: Iterable[bytes], answers: Answers
) -> None:
    for one in left:
        at = time.monotonic()
        writer.write(one)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        _, _, length = head.partition(b"content-length:")
        body = await reader.readexactly(int(length.split(b"\r\n", 1)[0]))
        answers.took.append(time.monotonic() - at)
        answers.said[int(head.split(b" ", 2)[1]), body] += 1
