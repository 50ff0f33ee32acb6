"""The forwarder for machines that have no proxy of their own."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable

import pytest

from bench.processes import free_port
from project.stack.forwarder import Forwarder


class Web:
    """Answers each line with its name and the line."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.asked = 0
        self.lines: list[asyncio.StreamWriter] = []

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.asked += 1
        self.lines.append(writer)
        while line := await reader.readline():
            writer.write(self.name.encode() + b":" + line)
            await writer.drain()
        writer.write(b"end\n")
        writer.close()


@pytest.fixture
async def serve() -> AsyncIterator[Callable]:
    """Starts servers, and at the end leaves none of their connections open."""
    servers: list[asyncio.Server] = []
    open_lines: dict[asyncio.Task, asyncio.StreamWriter] = {}

    async def start(take) -> int:
        async def taken(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            open_lines[task] = writer
            await take(reader, writer)

        servers.append(await asyncio.start_server(taken, "127.0.0.1", 0))
        return servers[-1].sockets[0].getsockname()[1]

    yield start
    for server in servers:
        server.close()
    for task, writer in open_lines.items():
        writer.transport.abort()
        task.cancel()
    await asyncio.gather(*open_lines, return_exceptions=True)
    await asyncio.sleep(0)  # the transports close in the loop's next turn


async def ask(port: int, *said: bytes) -> list[bytes]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answers = []
    for line in said:
        writer.write(line)
        answers.append(await reader.readline())
    writer.close()
    return answers


async def test_bytes_go_both_ways_and_processes_take_turns(serve):
    webs = [Web("one"), Web("two")]
    port = await serve(Forwarder([await serve(web.take) for web in webs]).take)

    assert await ask(port, b"a\n", b"b\n") == [b"one:a\n", b"one:b\n"]
    assert await ask(port, b"c\n") == [b"two:c\n"]
    assert await ask(port, b"d\n") == [b"one:d\n"]


async def test_where_one_refuses_the_other_is_asked(serve):
    web = Web("two")
    port = await serve(Forwarder([free_port(), await serve(web.take)]).take)

    assert await ask(port, b"a\n") == [b"two:a\n"]
    assert await ask(port, b"b\n") == [b"two:b\n"]


async def test_where_all_refuse_the_visitor_is_told_to_come_back(serve):
    port = await serve(Forwarder([free_port(), free_port()]).take)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")

    answer = await reader.read()

    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b"\r\nRetry-After: 2\r\n" in answer
    assert b"tries again by itself" in answer
    writer.close()


async def test_who_has_said_all_still_hears_the_rest(serve):
    port = await serve(Forwarder([await serve(Web("one").take)]).take)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"a\n")
    writer.write_eof()

    assert await reader.read() == b"one:a\nend\n"
    writer.close()


async def test_a_process_that_dies_ends_its_visitor_s_connection(serve):
    web = Web("one")
    port = await serve(Forwarder([await serve(web.take)]).take)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"a\n")
    await reader.readline()

    web.lines[0].transport.abort()

    async with asyncio.timeout(10):
        assert await reader.read() == b""
    writer.close()


async def test_a_visitor_who_does_not_read_stops_the_process_that_writes(serve):
    written = 0

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        while not reader.at_eof():
            writer.write(b"x" * 100_000)
            await writer.drain()
            written += 100_000

    port = await serve(Forwarder([await serve(flood)]).take)
    line = socket.create_connection(("127.0.0.1", port))
    before = -1
    while written != before:  # until nothing more is taken
        before = written
        await asyncio.sleep(0.5)
    line.close()
    assert written < 30_000_000  # what the kernel's buffers of both connections hold, and a little more
