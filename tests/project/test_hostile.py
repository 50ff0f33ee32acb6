"""What nobody well-meant sends, to both servers: each ends in bounds, with one line of the log."""

import signal
import socket
import struct
import time

import pytest

from tests.project.conftest import SERVERS, Running, Start
from tests.project.wire import exactly, frame, get, open_socket, push, reset, text_frame

pytestmark = pytest.mark.server

CONTINUATION, TEXT, CLOSE, PING = 0, 1, 8, 9
MEGABYTE = 1_000_000
HOST = b"Host: localhost\r\n"
GET_HELLO = b"GET / HTTP/1.1\r\n" + HOST + b"\r\n"


@pytest.fixture(params=SERVERS)
def toy(request: pytest.FixtureRequest, start_toy: Start) -> Running:
    """A test's own, without the worker: its log is read."""
    running = start_toy("--server", request.param, "--port", "0", "--no-worker")
    running.wait_until_ready()
    return running


def open_line(toy: Running) -> socket.socket:
    return socket.create_connection(("127.0.0.1", toy.port), timeout=10)


def rest(line: socket.socket) -> bytes:
    """All that the server still says until it closes; it has to."""
    got = b""
    try:
        while more := line.recv(65_536):
            got += more
    except ConnectionError:
        pass
    return got


def said(toy: Running) -> list[str]:
    """The server's lines between its start and its end, which is a clean one."""
    assert toy.end(signal.SIGTERM)[0] == 0
    ready = next(number for number, line in enumerate(toy.lines) if "is ready at" in line)
    ending = next(number for number, line in enumerate(toy.lines) if line.startswith("Stopping;"))
    return toy.lines[ready + 1 : ending]


# --- WebSockets ---------------------------------------------------------------------------------------

BROKEN = {
    "a reserved bit": b"\xc1\x85" + bytes(4) + b"hello",
    "no mask": b"\x81\x05hello",
    "a reserved opcode": frame(3, b"x"),
    "a reserved control opcode": frame(11, b"x"),
    "a long ping": struct.pack("!BBH", 0x89, 0xFE, 200) + bytes(4) + b"x" * 200,
    "a ping in fragments": frame(PING, final=False),
    "a continuation of nothing": frame(CONTINUATION, b"x"),
    "a text in the middle of another": frame(TEXT, b"a", final=False) + frame(TEXT, b"b"),
    "a close code of nobody": frame(CLOSE, struct.pack("!H", 999)),
    "a close code that is never sent": frame(CLOSE, struct.pack("!H", 1005)),
    "half a close code": frame(CLOSE, b"x"),
    "a reason that is no text": frame(CLOSE, struct.pack("!H", 1000) + b"\xff"),
    "a text that is none": text_frame(b"\xff\xfe"),
    "half a surrogate": text_frame(b"\xed\xa0\x80"),
    "a length of four exabytes": struct.pack("!BBQ", 0x81, 0xFF, 2**62) + bytes(4),
    "a negative length": struct.pack("!BBQ", 0x81, 0xFF, 2**63 + 5) + bytes(4),
}


def test_frames_against_the_protocol_end_their_connections_with_a_line_each(toy: Running):
    for what, data in BROKEN.items():
        with open_socket(toy.port, "/ws/echo") as line:
            line.sendall(data)
            assert rest(line)[:1] in (b"", b"\x88"), what
    lines = said(toy)
    assert len(lines) == len(BROKEN), lines
    assert all("socket cut: " in line for line in lines)


@pytest.mark.parametrize("more", [b"", text_frame(b"late") * 100])
def test_a_close_in_the_middle_of_a_message_is_a_close(lasting_toy: Running, more: bytes):
    with open_socket(lasting_toy.port, "/ws/echo") as line:
        line.sendall(frame(TEXT, b"a", final=False) + frame(CLOSE, struct.pack("!H", 1000)) + more)
        assert rest(line)[:1] in (b"", b"\x88")
    assert get(lasting_toy.port, "/") == b"hello"


def test_compression_is_not_negotiated(lasting_toy: Running):
    with open_line(lasting_toy) as line:
        line.sendall(handshake(b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"))
        head = line.recv(4096)
    assert head.startswith(b"HTTP/1.1 101")
    assert b"extensions" not in head.lower()


def handshake(more: bytes = b"", method: bytes = b"GET") -> bytes:
    return (
        method + b" /ws/echo HTTP/1.1\r\n" + HOST + b"Upgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n" + more + b"\r\n"
    )


@pytest.mark.parametrize(
    "data", [handshake(b"Content-Length: 5\r\n", b"POST") + b"hello", handshake(method=b"PUT")]
)
def test_what_is_no_handshake_is_answered_and_closed(lasting_toy: Running, data: bytes):
    with open_line(lasting_toy) as line:
        line.sendall(data)
        assert rest(line).startswith(b"HTTP/1.1 40")


# --- heads and bodies ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "piece"),
    [
        (b"GET /", b"y" * 90_000),
        (b"GET / HTTP/1.1\r\nx: ", b"y" * 90_000),
        (b"GET / HTTP/1.1\r\n", b"x: yyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n" * 3000),
        (b"POST /length HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n", b"1" * 90_000),
    ],
)
def test_a_head_without_an_end_is_cut_and_costs_no_memory(lasting_toy: Running, start: bytes, piece: bytes):
    before = int(get(lasting_toy.port, "/memory"))
    with open_line(lasting_toy) as line:
        line.sendall(start)
        sent = push(line, piece, 100 * MEGABYTE)
    assert sent < 30 * MEGABYTE  # what the kernel's buffers of both ends hold
    assert int(get(lasting_toy.port, "/memory")) < before + 15 * MEGABYTE


def test_a_head_over_16_kb_is_refused(lasting_toy: Running):
    with open_line(lasting_toy) as line:
        line.sendall(b"GET / HTTP/1.1\r\n" + HOST + b"x: " + b"y" * 40_000)
        assert rest(line).startswith(b"HTTP/1.1 431")


@pytest.mark.parametrize("length", [b"Content-Length: 99999999999", b"Transfer-Encoding: chunked"])
def test_a_body_over_the_limit_is_refused(lasting_toy: Running, length: bytes):
    with open_line(lasting_toy) as line:
        line.sendall(b"POST /length HTTP/1.1\r\n" + HOST + length + b"\r\n\r\n")
        push(line, b"%x\r\n%b\r\n" % (60_000, b"x" * 60_000), 200 * MEGABYTE)
        assert rest(line)[:12] in (b"", b"HTTP/1.1 413")
    assert get(lasting_toy.port, "/") == b"hello"


@pytest.mark.parametrize(
    "start",
    [
        b"",
        b"GET / HTTP/1.1\r\nx: y",
        b"POST /length HTTP/1.1\r\n" + HOST + b"Content-Length: 100000\r\n\r\nx",
        b"POST /length HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhe",
    ],
)
def test_a_request_that_comes_too_slowly_is_cut(toy: Running, start: bytes):
    with open_line(toy) as line:
        line.sendall(start)
        assert rest(line).startswith(b"HTTP/1.1 408")
    assert [line for line in said(toy) if "request too slow" not in line] == []


def test_a_connection_between_two_requests_is_kept(lasting_toy: Running):
    with open_line(lasting_toy) as line:
        for pause in (3.5, 0):
            line.sendall(GET_HELLO)
            answer = b""
            while not answer.endswith(b"hello\r\n0\r\n\r\n"):
                answer += exactly(line, 1)
            assert answer.startswith(b"HTTP/1.1 200")
            time.sleep(pause)  # longer than a head may take here, and than the looks between


# --- one connection, several requests -----------------------------------------------------------------

SMUGGLED = b"GET /broken HTTP/1.1\r\n" + HOST + b"\r\n"


@pytest.mark.parametrize(
    "lengths",
    [
        b"Content-Length: 6\r\nTransfer-Encoding: chunked",
        b"Content-Length: 6\r\nContent-Length: 0",
        b"Content-Length: 0, 6",
        b"Content-Length: +0",
        b"Content-Length: -1",
        b"Transfer-Encoding: xchunked",
        b"Transfer-Encoding: chunked, identity",
        b"Transfer-Encoding: \x0bchunked",
        b"Transfer-Encoding : chunked",
    ],
)
def test_two_opinions_of_where_a_request_ends_are_none(lasting_toy: Running, lengths: bytes):
    with open_line(lasting_toy) as line:
        line.sendall(b"POST /length HTTP/1.1\r\n" + HOST + lengths + b"\r\n\r\n0\r\n\r\n" + SMUGGLED)
        answer = rest(line)
    assert answer.startswith(b"HTTP/1.1 400")
    assert answer.count(b"HTTP/1.1 ") == 1


def test_requests_without_end_on_one_connection_cost_no_memory(lasting_toy: Running):
    before = int(get(lasting_toy.port, "/memory"))
    with socket.socket() as line:
        # It takes few answers, too.
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        line.settimeout(3)
        line.connect(("127.0.0.1", lasting_toy.port))
        sent = push(line, GET_HELLO * 500, 100 * MEGABYTE)
    assert sent < 30 * MEGABYTE
    assert int(get(lasting_toy.port, "/memory")) < before + 30 * MEGABYTE


def test_a_few_requests_at_once_are_answered_in_order_and_nobody_minds_who_leaves(toy: Running):
    with open_line(toy) as line:
        line.sendall(GET_HELLO * 20 + b"GET /loop HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n")
        answers = rest(line)
    assert answers.count(b"HTTP/1.1 200") == 21
    assert answers.rindex(b"uvloop") > answers.rindex(b"hello")
    for _ in range(5):
        line = open_line(toy)
        line.sendall(GET_HELLO * 40)
        line.recv(10)
        reset(line)
    assert get(toy.port, "/") == b"hello"
    assert said(toy) == []
