"""What a model at the wire does that calls tools."""

import json


def asks_for(*calls, text=""):
    """A play: the model says something, then asks for tools."""
    made = [
        {"index": n, "id": f"call_{n}", "type": "function", "function": {"name": name, "arguments": given}}
        for n, (name, given) in enumerate(calls)
    ]

    async def play(answer):
        if text:
            await answer.say(text)
        body = {"id": "c", "choices": [{"index": 0, "delta": {"tool_calls": made}, "finish_reason": None}]}
        await answer.send(b"data: " + json.dumps(body).encode() + b"\n\n")
        await answer.end(finish="tool_calls")

    return play


def plays(upstream, *turns):
    """Each request gets the next one; the last one says "Done."."""

    async def say_done(answer):
        await answer.say("Done.")
        await answer.end()

    left = [*turns, say_done]

    async def play(answer):
        await (left.pop(0) if len(left) > 1 else left[0])(answer)

    upstream.play = play
