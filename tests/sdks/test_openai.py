"""OpenAI's own client reads the demo upstream's answers to the same as ours does."""

import pytest

from tests.sdks.requests import REQUESTS, Answer, body_of, normal, our_answer

names = pytest.mark.parametrize("name", REQUESTS)


def _of_completion(completion):
    message = completion.choices[0].message
    usage = completion.usage
    return Answer(
        message.content or "",
        getattr(message, "reasoning_content", None) or "",
        message.refusal or "",
        [(call.function.name, normal(call.function.arguments)) for call in message.tool_calls or ()],
        (usage.prompt_tokens, usage.completion_tokens, usage.prompt_tokens_details.cached_tokens),
    )


def _of_response(response):
    parts = [part for item in response.output if item.type == "message" for part in item.content]
    reasoning = [item for item in response.output if item.type == "reasoning"]
    calls = [item for item in response.output if item.type == "function_call"]
    usage = response.usage
    return Answer(
        response.output_text,
        "".join(part.text for item in reasoning for part in item.summary),
        "".join(part.refusal for part in parts if part.type == "refusal"),
        [(item.name, normal(item.arguments)) for item in calls],
        (usage.input_tokens, usage.output_tokens, usage.input_tokens_details.cached_tokens),
    )


@names
async def test_chat_streams_are_read_to_the_same(upstream, openai_client, name):
    state = pytest.importorskip("openai.lib.streaming.chat").ChatCompletionStreamState()
    async for chunk in await openai_client.chat.completions.create(**body_of("openai_chat", REQUESTS[name])):
        state.handle_chunk(chunk)
    theirs = _of_completion(state.current_completion_snapshot)
    assert theirs == await our_answer(upstream, "openai_chat", REQUESTS[name])


@names
async def test_chat_answers_in_one_piece_are_read_to_the_same(upstream, openai_client, name):
    body = body_of("openai_chat", REQUESTS[name]) | {"stream": False}
    del body["stream_options"]
    theirs = _of_completion(await openai_client.chat.completions.create(**body))
    assert theirs == await our_answer(upstream, "openai_chat", REQUESTS[name])


@names
async def test_responses_streams_are_read_to_the_same(upstream, openai_client, name):
    """By deltas and by the final response; the numbers have no gaps."""
    text, arguments, numbers, final = "", "", [], None
    async for event in await openai_client.responses.create(**body_of("openai_responses", REQUESTS[name])):
        numbers.append(event.sequence_number)
        if event.type == "response.output_text.delta":
            text += event.delta
        elif event.type == "response.function_call_arguments.delta":
            arguments += event.delta
        elif event.type in ("response.completed", "response.incomplete"):
            final = event.response
    assert final is not None
    assert numbers == list(range(len(numbers)))
    theirs = _of_response(final)
    assert text == theirs.text
    assert arguments == "".join(item.arguments for item in final.output if item.type == "function_call")
    assert theirs == await our_answer(upstream, "openai_responses", REQUESTS[name])


@pytest.mark.parametrize("name", sorted(REQUESTS.keys() - {"limit"}))  # it knows no end but `completed`
async def test_the_responses_helper_puts_the_events_together_to_the_same(upstream, openai_client, name):
    body = body_of("openai_responses", REQUESTS[name])
    del body["stream"]
    tools = body.pop("tools", [])
    async with openai_client.responses.stream(**body, extra_body={"tools": tools}) as stream:
        final = await stream.get_final_response()
    assert _of_response(final) == await our_answer(upstream, "openai_responses", REQUESTS[name])


@names
async def test_responses_in_one_piece_are_read_to_the_same(upstream, openai_client, name):
    body = body_of("openai_responses", REQUESTS[name]) | {"stream": False}
    theirs = _of_response(await openai_client.responses.create(**body))
    assert theirs == await our_answer(upstream, "openai_responses", REQUESTS[name])


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("400", "BadRequestError"),
        ("401", "AuthenticationError"),
        ("429", "RateLimitError"),
        ("500", "InternalServerError"),
        ("refuse", "APIConnectionError"),
        ("error-mid", "APIError"),
    ],
)
@pytest.mark.parametrize("dialect", ["openai_chat", "openai_responses"])
async def test_errors_are_theirs_of_that_name(openai_client, dialect, fault, error):
    body = body_of(dialect, REQUESTS["text"]) | {"model": f"demo-fail:{fault}"}
    resource = openai_client.chat.completions if dialect == "openai_chat" else openai_client.responses
    with pytest.raises(pytest.importorskip("openai").APIError) as caught:
        async for _ in await resource.create(**body):
            pass
    assert type(caught.value).__name__ == error


async def test_lists_the_models(openai_client):
    assert "demo" in [model.id async for model in openai_client.models.list()]
