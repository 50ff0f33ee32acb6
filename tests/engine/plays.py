"""What a provider at the wire does, attempt by attempt."""

BUSY = {"error": {"message": "slow down", "code": "rate_limit_exceeded"}}
BROKE = {"error": {"message": "You exceeded your current quota", "code": "insufficient_quota"}}


def only(events, kind):
    return [event for event in events if event["type"] == kind]


def plays(upstream, *each):
    """The attempts in their order; the last one for all that follow."""
    left = list(each)

    async def play(answer):
        await (left.pop(0) if len(left) > 1 else left[0])(answer)

    upstream.play = play


def refusing(upstream, status, body, **headers):
    upstream.refuse(status, body, **headers)
    return upstream.play


def saying(text, *, whole=False):
    async def play(answer):
        await answer.say(text)
        if whole:
            await answer.end()
        else:
            answer.cut()

    return play
