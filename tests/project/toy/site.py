"""The application and its lifecycle. `/ws/echo` answers, `/ws/deaf` never reads, `/ws/flood` sends all the time."""

import asyncio
import gc
import os
import resource
import sys
from typing import Any

from project.servers.base import LaunchRefused


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


async def startup() -> None:
    say("startup")
    if reason := os.environ.get("TOY_STARTUP_FAILS"):
        raise LaunchRefused(reason)


async def shutdown(grace_seconds: float) -> None:
    say(f"shutdown {grace_seconds:g}")
    await asyncio.sleep(float(os.environ.get("TOY_SHUTDOWN_SECONDS", "0")))


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] == "http":
        await _answer(scope["path"], receive, send)
    else:
        await receive()
        await send({"type": "websocket.accept"})
        await {"/ws/echo": _echo, "/ws/deaf": _deaf, "/ws/flood": _flood}[scope["path"]](receive, send)


async def _answer(path: str, receive: Any, send: Any) -> None:
    body = b"hello"
    if path == "/memory":
        body = str(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024).encode()
    elif path == "/connections":
        # What the server itself keeps of connections, open or not.
        gc.collect()
        kept = {"BoundedChannel", "GatedWebSocket", "Http", "WebSocket"}
        body = str(sum(type(one).__name__ in kept for one in gc.get_objects())).encode()
    elif path == "/slow":
        await asyncio.sleep(60)
    elif path == "/loop":
        body = type(asyncio.get_running_loop()).__module__.encode()
    elif path == "/broken":
        raise ValueError("broken on purpose")
    elif path == "/length":
        length, more = 0, True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            length, more = length + len(message["body"]), message["more_body"]
        body = str(length).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    if path == "/stream":
        for _ in range(10_000):
            await send({"type": "http.response.body", "body": b"x" * 10_000, "more_body": True})
    await send({"type": "http.response.body", "body": body})


async def _echo(receive: Any, send: Any) -> None:
    while (message := await receive())["type"] == "websocket.receive":
        text = message["text"]
        if text == "close":
            await send({"type": "websocket.close", "code": 4001})
        await send({"type": "websocket.send", "text": text})


async def _deaf(receive: Any, send: Any) -> None:
    await asyncio.sleep(3600)


async def _flood(receive: Any, send: Any) -> None:
    gone = asyncio.ensure_future(receive())
    sent = 0
    try:
        while not gone.done() and sent < 400_000_000:
            await send({"type": "websocket.send", "text": "x" * 10_000})
            sent += 10_000
            await asyncio.sleep(0)
    finally:
        sys.stderr.write(f"flood ended after {sent} bytes\n")
        gone.cancel()
