"""The demo upstream over real HTTP."""

import asyncio
import json
import time

import httpx
import pytest

from chat.demo import start_demo_upstream
from chat.demo.faults import SOME_DELTAS


@pytest.fixture
async def upstream():
    server = await start_demo_upstream()
    yield server
    await server.close()


@pytest.fixture
async def client(upstream):
    async with httpx.AsyncClient(base_url=upstream.base_url, timeout=10, trust_env=False) as client:
        yield client


def body(prompt="hello", model="demo-n5-r0-d0", **more):
    return {"model": model, "messages": [{"role": "user", "content": prompt}], **more}


async def streamed(client, **more):
    """The data of every event, without [DONE], which has to be the last."""
    async with client.stream("POST", "/chat/completions", json=body(stream=True, **more)) as response:
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        raw = (await response.aread()).decode()
    assert raw.endswith("data: [DONE]\n\n")
    events = raw.removesuffix("data: [DONE]\n\n").split("\n\n")[:-1]
    return [json.loads(event.removeprefix("data: ")) for event in events]


def text_of(chunks, key="content"):
    return "".join(chunk["choices"][0]["delta"].get(key, "") for chunk in chunks if chunk["choices"])


async def received_until_broken(client, request):
    received = b""
    try:
        async with client.stream("POST", "/chat/completions", json=request) as response:
            async for part in response.aiter_bytes():
                received += part
    except httpx.TransportError:
        return received.decode(), True
    return received.decode(), False


async def until(condition, seconds=5):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        await asyncio.sleep(0.005)


async def test_streams_numbered_words_and_finishes(client):
    chunks = await streamed(client)
    assert chunks[0]["choices"][0]["delta"]["role"] == "assistant"
    assert text_of(chunks) == "w0 w1 w2 w3 w4 "
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"
    assert len({chunk["id"] for chunk in chunks}) == 1


async def test_usage_comes_only_when_asked_for(client):
    assert not any("usage" in chunk for chunk in await streamed(client))
    chunks = await streamed(client, stream_options={"include_usage": True})
    assert chunks[-1]["choices"] == []
    usage = chunks[-1]["usage"]
    assert usage["completion_tokens"] == 5
    assert usage["total_tokens"] == usage["prompt_tokens"] + 5
    assert usage["prompt_tokens_details"]["cached_tokens"] == 0


async def test_earlier_messages_count_as_cached(client):
    talk = [{"role": "user", "content": "a" * 400}, {"role": "assistant", "content": "b" * 400}]
    messages = [*talk, {"role": "user", "content": "hello"}]
    answer = await client.post("/chat/completions", json={"model": "demo-n1-r0-d0", "messages": messages})
    usage = answer.json()["usage"]
    assert usage["prompt_tokens_details"]["cached_tokens"] == 202
    assert usage["prompt_tokens"] == 204


async def test_a_whole_answer_in_one_piece(client):
    answer = (await client.post("/chat/completions", json=body())).json()
    assert answer["object"] == "chat.completion"
    assert answer["choices"][0]["message"]["content"] == "w0 w1 w2 w3 w4 "
    assert answer["choices"][0]["finish_reason"] == "stop"


async def test_reasoning_streams_in_a_field_of_its_own(client):
    limit = 12
    chunks = await streamed(
        client, model="demo", prompt="think", max_tokens=limit, stream_options={"include_usage": True}
    )
    assert text_of(chunks, "reasoning_content").startswith("The question asks me to think")
    assert text_of(chunks) == ""
    assert chunks[-2]["choices"][0]["finish_reason"] == "length"
    assert chunks[-1]["usage"]["completion_tokens_details"]["reasoning_tokens"] == limit


async def test_max_completion_tokens_ends_in_length(client):
    answer = (await client.post("/chat/completions", json=body(max_completion_tokens=2))).json()
    assert answer["choices"][0]["message"]["content"] == "w0 w1 "
    assert answer["choices"][0]["finish_reason"] == "length"


async def test_images_in_the_message_are_mentioned(client):
    content = [
        {"type": "text", "text": "hello"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
    ]
    chunks = await streamed(client, model="demo", prompt=content, max_tokens=12)
    assert "**2 images**" in text_of(chunks)


async def test_keeps_its_pace(client):
    started = time.monotonic()
    await streamed(client, model="demo-n11-r50-d100")
    assert 0.3 <= time.monotonic() - started < 3


async def test_lists_its_models(client):
    listed = (await client.get("/models")).json()
    assert listed["object"] == "list"
    assert "demo" in [model["id"] for model in listed["data"]]


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "invalid_request_error"),
        (401, "authentication_error"),
        (429, "rate_limit_error"),
        (500, "server_error"),
    ],
)
async def test_refuses_on_request(client, status, kind):
    answer = await client.post("/chat/completions", json=body(f"fail:{status}", stream=True))
    assert answer.status_code == status
    assert answer.json()["error"]["type"] == kind
    assert ("retry-after" in answer.headers) == (status == 429)


@pytest.mark.parametrize(
    "content",
    [
        b"{",
        b"[]",
        b'{"model": "demo"}',
        b'{"model": "demo", "messages": []}',
        b'{"messages": [{"role": "user"}]}',
    ],
)
async def test_a_body_that_is_no_request_gets_400(client, content):
    answer = await client.post("/chat/completions", content=content)
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"


async def test_an_unknown_model_gets_404(client):
    answer = await client.post("/chat/completions", json=body(model="gpt-4"))
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "model_not_found"


async def test_a_cut_comes_after_some_deltas_and_before_the_end(client):
    request = body("fail:cut", "demo-n50-r0-d0", stream=True)
    received, broken = await received_until_broken(client, request)
    assert broken
    assert f"w{SOME_DELTAS - 1} " in received
    assert f"w{SOME_DELTAS} " not in received
    assert "[DONE]" not in received


async def test_a_cut_whole_answer_breaks_too(client):
    with pytest.raises(httpx.TransportError):
        await client.post("/chat/completions", json=body("fail:cut"))


async def test_garbage_stands_in_the_middle_of_the_stream(client):
    request = body("fail:garbage", "demo-n50-r0-d0", stream=True)
    raw = (await client.post("/chat/completions", json=request)).text
    events = raw.split("\n\n")
    assert "<html>" in events[1 + SOME_DELTAS]
    with pytest.raises(json.JSONDecodeError):
        json.loads(events[1 + SOME_DELTAS].removeprefix("data: "))
    assert "w49 " in raw


async def test_a_hang_goes_silent_after_some_deltas_and_notices_the_client_leave(client, upstream):
    request = body("fail:hang", "demo-n50-r0-d0", stream=True)
    received = b""
    async with client.stream("POST", "/chat/completions", json=request) as response:
        async for part in response.aiter_bytes():
            received += part
            if f"w{SOME_DELTAS - 1} ".encode() in received:
                break
        assert upstream.stats.open == 1
    await until(lambda: upstream.stats.open == 0)
    assert upstream.stats.disconnects == 1


async def test_hang_first_opens_the_stream_and_sends_no_delta(client):
    request = body("fail:hang-first", stream=True)
    short = httpx.Timeout(5, read=0.2)
    async with client.stream("POST", "/chat/completions", json=request, timeout=short) as response:
        parts = response.aiter_bytes()
        assert b'"content":""' in await anext(parts)
        with pytest.raises(httpx.ReadTimeout):
            await anext(parts)


async def test_a_client_that_leaves_is_noticed_at_once_and_recorded(client, upstream):
    request = body(model="demo-n500-r50-d0", stream=True)
    async with client.stream("POST", "/chat/completions", json=request) as response:
        await anext(response.aiter_bytes())
        left_at = time.monotonic()
    await until(lambda: upstream.stats.disconnects == 1)
    stats = (await client.get(upstream.base_url.removesuffix("/v1") + "/stats")).json()
    assert stats["open"] == 0
    assert stats["total"] == 1
    assert stats["deltas"] < 100
    assert 0 <= stats["last_closed_at"] - left_at < 1


async def test_a_client_that_leaves_an_unpaced_stream_is_noticed(client, upstream):
    request = body(model="demo-n200000-r0-d0", stream=True)
    async with client.stream("POST", "/chat/completions", json=request) as response:
        await anext(response.aiter_bytes())
    await until(lambda: upstream.stats.open == 0)
    assert upstream.stats.disconnects == 1
    assert upstream.stats.deltas < 200_000


async def test_a_finished_call_is_no_disconnect_and_the_connection_is_kept(client, upstream):
    await streamed(client)
    await streamed(client)
    await until(lambda: upstream.stats.open == 0)
    assert upstream.stats.total == 2
    assert upstream.stats.deltas == 10
    assert upstream.stats.disconnects == 0


async def test_closing_ends_open_calls_quickly(client, upstream):
    started = time.monotonic()
    asyncio.get_running_loop().call_later(0.1, lambda: closing.append(asyncio.create_task(upstream.close())))
    closing: list[asyncio.Task[None]] = []
    _, broken = await received_until_broken(client, body("fail:hang", stream=True))
    await closing[0]
    assert broken
    assert time.monotonic() - started < 5


async def test_a_taken_port_is_an_os_error(upstream):
    with pytest.raises(OSError, match="address"):
        await start_demo_upstream(port=upstream.port)
