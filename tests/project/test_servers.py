"""Both servers as processes: beginning, end, refusals and bounds."""

import os
import select
import signal
import socket
import time
import urllib.error
from pathlib import Path

import pytest

from tests.project.conftest import Running, Start
from tests.project.wire import (
    ask_for_socket,
    exactly,
    frame,
    get,
    open_socket,
    push,
    receive,
    reset,
    text_frame,
)

pytestmark = pytest.mark.server

CONTINUATION, TEXT, CLOSE, PING, PONG = 0, 1, 8, 9, 10
MEGABYTE = 1_000_000


def test_the_ready_line_comes_after_startup_and_the_socket_answers(toy: Running):
    assert toy.lines.index("startup") < len(toy.lines) - 1
    assert get(toy.port, "/") == b"hello"


def test_nothing_is_kept_of_sockets_that_have_come_and_gone(toy: Running):
    def come_and_go() -> int:
        for _ in range(60):
            with open_socket(toy.port, "/ws/echo") as line:
                reset(line)
        give_up_at = time.monotonic() + 20
        kept = 60
        while kept >= 20 and time.monotonic() < give_up_at:
            time.sleep(0.2)
            kept = int(get(toy.port, "/connections"))
        return kept

    first = come_and_go()
    assert come_and_go() <= first + 5
    assert first < 20


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_cleanly_within_three_seconds(toy: Running, number: signal.Signals):
    with open_socket(toy.port, "/ws/echo"):
        code, seconds = toy.end(number)
    assert code == 0
    assert seconds < 3
    assert toy.lines[-1] == "Stopped."


def test_ctrl_c_gives_the_runs_less_time_than_sigterm(start_toy: Start):
    for number, said in ((signal.SIGINT, "shutdown 1.5"), (signal.SIGTERM, "shutdown 15")):
        toy = start_toy("--port", "0")
        toy.wait_until_ready()
        toy.end(number)
        assert said in toy.lines


def test_who_leaves_tasks_to_nobody_is_told_so(start_toy: Start):
    toy = start_toy("--port", "0", "--no-worker")
    toy.wait_until_ready()
    assert any(line.startswith("Warning: with --no-worker and without REDIS_URL") for line in toy.lines)


def test_sockets_are_told_that_the_service_restarts(toy: Running):
    with open_socket(toy.port, "/ws/echo") as line:
        toy.process.send_signal(signal.SIGTERM)
        opcode, payload = receive(line)
    assert opcode == CLOSE
    assert int.from_bytes(payload[:2], "big") == 1012


def test_a_connection_that_came_and_went_does_not_disturb_the_end(toy: Running):
    # A health probe of bare TCP; stock daphne then ends nothing, and its clients see 1006.
    socket.create_connection(("127.0.0.1", toy.port)).close()
    with open_socket(toy.port, "/ws/echo") as line:
        toy.process.send_signal(signal.SIGTERM)
        assert receive(line)[0] == CLOSE
    assert toy.process.wait(10) == 0


def test_a_request_that_never_ends_does_not_hold_the_process(toy: Running):
    with socket.create_connection(("127.0.0.1", toy.port)) as line:
        line.sendall(b"GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n")
        get(toy.port, "/")
        code, seconds = toy.end(signal.SIGINT)
    assert code == 0
    assert seconds < 3


def test_text_comes_back_at_every_frame_size(toy: Running):
    with open_socket(toy.port, "/ws/echo") as line:
        for size in (1, 125, 126, 65_535, 65_536, 131_072):
            line.sendall(text_frame(b"y" * size))
            assert receive(line) == (1, b"y" * size)


def test_a_message_over_128_kb_ends_the_connection(toy: Running):
    with open_socket(toy.port, "/ws/echo") as line:
        line.sendall(text_frame(b"x" * 131_073))
        with pytest.raises(OSError):  # noqa: PT012  (a close frame may come first)
            while True:
                exactly(line, 1)


def test_an_application_that_does_not_read_stops_the_sender(toy: Running):
    before = int(get(toy.port, "/memory"))
    with open_socket(toy.port, "/ws/deaf", timeout_seconds=1) as line:
        sent = push(line, text_frame(b"x" * 60_000), 200 * MEGABYTE)
    assert sent < 30 * MEGABYTE  # what the kernel's buffers of both ends hold, and a little more
    assert int(get(toy.port, "/memory")) < before + 15 * MEGABYTE


def test_a_flood_of_tiny_frames_costs_no_memory(toy: Running):
    before = int(get(toy.port, "/memory"))
    with open_socket(toy.port, "/ws/deaf", timeout_seconds=1) as line:
        push(line, text_frame(b"x") * 9000, 30 * MEGABYTE)
    assert int(get(toy.port, "/memory")) < before + 30 * MEGABYTE


@pytest.mark.parametrize("opcode", [PING, PONG])
def test_a_flood_of_pings_or_pongs_cuts_the_connection(toy: Running, opcode: int):
    before = int(get(toy.port, "/memory"))
    with open_socket(toy.port, "/ws/echo", timeout_seconds=5) as line:
        sent = push(line, frame(opcode, b"x" * 100) * 500, 50 * MEGABYTE)
        poll_until_cut(line)
    assert sent < 10 * MEGABYTE  # the kernel's buffers of both ends
    assert int(get(toy.port, "/memory")) < before + 15 * MEGABYTE


def test_a_flood_of_empty_fragments_cuts_the_connection(toy: Running):
    with open_socket(toy.port, "/ws/echo", timeout_seconds=5) as line:
        line.sendall(frame(TEXT, final=False))
        sent = push(line, frame(CONTINUATION, final=False) * 2000, 50 * MEGABYTE)
        poll_until_cut(line)
    assert sent < 10 * MEGABYTE


def test_pings_are_answered_and_fragments_put_together(toy: Running):
    with open_socket(toy.port, "/ws/echo") as line:
        for number in range(20):
            line.sendall(frame(PING, b"%d" % number))
            assert receive(line) == (PONG, b"%d" % number)
        for _ in range(3):
            line.sendall(frame(TEXT, b"a", final=False) + frame(CONTINUATION, b"b", final=False) * 900)
            line.sendall(frame(PONG) + frame(CONTINUATION, b"c"))
            assert receive(line) == (TEXT, b"a" + b"b" * 900 + b"c")


def test_a_refused_handshake_is_no_error_of_ours(toy: Running):
    line, head = ask_for_socket(toy.port, "/ws/echo", version=99)
    line.close()
    assert head.startswith((b"HTTP/1.1 400", b"HTTP/1.1 426"))
    toy.end(signal.SIGTERM)
    assert "Traceback (most recent call last):" not in toy.lines


def test_a_reset_behind_unread_data_ends_the_connection_quietly(toy: Running):
    # uvloop tells of a reset once, and that once there is still data to read.
    descriptors = Path(f"/proc/{toy.process.pid}/fd")
    if not descriptors.exists():
        pytest.skip("counts the descriptors of a process in /proc")
    get(toy.port, "/")
    before = len(list(descriptors.iterdir()))
    lines = [open_socket(toy.port, "/ws/echo") for _ in range(5)]
    os.kill(toy.process.pid, signal.SIGSTOP)
    for line in lines:
        line.settimeout(0.1)
        push(line, text_frame(b"x" * 50_000), 400_000)
        reset(line)
    os.kill(toy.process.pid, signal.SIGCONT)
    deadline = time.monotonic() + 10
    while len(list(descriptors.iterdir())) > before:
        assert time.monotonic() < deadline, "the connections are still there"
        time.sleep(0.05)
    toy.end(signal.SIGTERM)
    assert "Traceback (most recent call last):" not in toy.lines


@pytest.mark.parametrize("path", ["/ws/flood", "/stream"])
def test_a_client_that_never_reads_costs_no_memory_and_is_cut(toy: Running, path: str):
    before = int(get(toy.port, "/memory"))
    if path == "/stream":
        line = socket.create_connection(("127.0.0.1", toy.port), timeout=10)
        line.sendall(b"GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
    else:
        line = open_socket(toy.port, path, timeout_seconds=10)
    with line:
        line.settimeout(0)
        # The server's side of the connection is gone when sending fails.
        poll_until_cut(line)
    assert int(get(toy.port, "/memory")) < before + 15 * MEGABYTE


def poll_until_cut(line: socket.socket) -> None:
    events = select.poll()
    events.register(line, select.POLLERR | select.POLLHUP | select.POLLRDHUP)
    assert events.poll(20_000), "still connected after twenty seconds"


def test_a_client_that_reads_gets_all_of_a_long_answer(toy: Running):
    assert len(get(toy.port, "/stream")) == 10_000 * 10_000 + len(b"hello")


def test_an_error_in_the_application_is_logged_and_answered(toy: Running):
    with pytest.raises(urllib.error.HTTPError) as caught:
        get(toy.port, "/broken")
    caught.value.close()
    assert caught.value.code == 500
    toy.end(signal.SIGTERM)
    assert "ValueError: broken on purpose" in toy.lines


def test_both_run_on_uvloop(toy: Running):
    assert get(toy.port, "/loop") == b"uvloop"


def test_a_taken_port_is_said_in_one_line(start_toy: Start, tmp_path: Path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = start_toy("--port", str(port))
        (line,) = refused.wait_for_refusal()
    assert line.startswith(f"Port {port} on 127.0.0.1 is taken.")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("port", ["abc", "99999", "-1", "", "８０"])
def test_a_port_that_is_none_is_said_in_one_line(start_toy: Start, tmp_path: Path, port: str):
    (line,) = start_toy("--port", port).wait_for_refusal()
    assert line.startswith(f"Bad port {port!r}")
    assert list(tmp_path.iterdir()) == []


def test_a_second_server_on_the_same_data_is_refused(start_toy: Start):
    start_toy("--port", "0").wait_until_ready()
    (line,) = start_toy("--port", "0").wait_for_refusal()
    assert line.startswith("Another server runs on DATA_DIR")


def test_servers_with_redis_share_the_data(start_toy: Start):
    shared = {"TOY_REDIS_URL": "redis://127.0.0.1:1/0"}
    for _ in range(2):
        start_toy("--port", "0", environment=shared).wait_until_ready()


@pytest.mark.parametrize("urls", [("", "redis://127.0.0.1:1/0"), ("redis://127.0.0.1:1/0", "")])
def test_a_server_without_redis_shares_with_nobody(start_toy: Start, urls: tuple[str, str]):
    first, second = ({"TOY_REDIS_URL": url} for url in urls)
    start_toy("--port", "0", environment=first).wait_until_ready()
    (line,) = start_toy("--port", "0", environment=second).wait_for_refusal()
    assert line.startswith("Another server runs on DATA_DIR")


def test_a_host_that_is_not_here_is_said_in_one_line(start_toy: Start):
    refused = start_toy("--host", "192.0.2.1", "--port", "0")
    (line,) = refused.wait_for_refusal()
    assert line.startswith("Cannot listen on 192.0.2.1:0:")


def test_a_second_signal_ends_it_at_once(start_toy: Start):
    toy = start_toy("--port", "0", environment={"TOY_SHUTDOWN_SECONDS": "60"})
    toy.wait_until_ready()
    toy.process.send_signal(signal.SIGTERM)
    while "shutdown 15" not in toy.lines:
        assert toy.process.poll() is None
    toy.process.send_signal(signal.SIGTERM)
    assert toy.process.wait(10) == 1


def test_a_startup_that_fails_ends_with_its_reason(start_toy: Start):
    toy = start_toy("--port", "0", environment={"TOY_STARTUP_FAILS": "no upstream"})
    assert toy.wait_for_refusal()[-1] == "no upstream"
