"""Anthropic's own client reads the demo upstream's answers to the same as ours does."""

import pytest

from tests.sdks.requests import REQUESTS, Answer, body_of, normal, our_answer

names = pytest.mark.parametrize("name", REQUESTS)


def _of_message(message):
    blocks, usage = message.content, message.usage
    stop = message.stop_details
    return Answer(
        "".join(block.text for block in blocks if block.type == "text"),
        "".join(block.thinking for block in blocks if block.type == "thinking"),
        stop.explanation if stop is not None else "",
        [(block.name, normal(block.input)) for block in blocks if block.type == "tool_use"],
        (
            usage.input_tokens + usage.cache_read_input_tokens + usage.cache_creation_input_tokens,
            usage.output_tokens,
            usage.cache_read_input_tokens,
        ),
    )


@names
async def test_streams_are_read_to_the_same(upstream, anthropic_client, name):
    body = body_of("anthropic_messages", REQUESTS[name])
    del body["stream"]
    async with anthropic_client.messages.stream(**body) as stream:
        text = "".join([delta async for delta in stream.text_stream])
        theirs = _of_message(await stream.get_final_message())
    assert text == theirs.text
    assert theirs == await our_answer(upstream, "anthropic_messages", REQUESTS[name])


@names
async def test_answers_in_one_piece_are_read_to_the_same(upstream, anthropic_client, name):
    body = body_of("anthropic_messages", REQUESTS[name]) | {"stream": False}
    theirs = _of_message(await anthropic_client.messages.create(**body))
    assert theirs == await our_answer(upstream, "anthropic_messages", REQUESTS[name])


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("400", "BadRequestError"),
        ("401", "AuthenticationError"),
        ("429", "RateLimitError"),
        ("529", "OverloadedError"),
        ("refuse", "APIConnectionError"),
        ("error-mid", "APIStatusError"),
    ],
)
async def test_errors_are_theirs_of_that_name(anthropic_client, fault, error):
    body = body_of("anthropic_messages", REQUESTS["text"]) | {"model": f"demo-fail:{fault}"}
    with pytest.raises(pytest.importorskip("anthropic").APIError) as caught:
        async for _ in await anthropic_client.messages.create(**body):
            pass
    assert type(caught.value).__name__ == error


async def test_lists_the_models(anthropic_client):
    assert "demo" in [model.id async for model in anthropic_client.models.list()]
