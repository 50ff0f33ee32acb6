"""The bounds of daphne's connections, without a network."""

import asyncio
from typing import Any

from project.servers.flow import CUT_AT, PAUSE_AT, PAUSE_AT_BYTES, RESUME_AT, Inbox, SendGate
from project.servers.frames import frame_head


class Reading:
    def __init__(self) -> None:
        self.calls: list[str] = []

    def pauseProducing(self) -> None:  # noqa: N802
        self.calls.append("pause")

    def resumeProducing(self) -> None:  # noqa: N802
        self.calls.append("resume")

    def abortConnection(self) -> None:  # noqa: N802
        self.calls.append("abort")


def text(size: int = 1) -> dict[str, Any]:
    return {"type": "websocket.receive", "text": "x" * size}


async def take(inbox: Inbox, count: int) -> None:
    for _ in range(count):
        await inbox.get()


async def test_messages_come_out_in_the_order_they_went_in():
    inbox = Inbox(Reading())
    for number in range(10):
        inbox.put_nowait({"type": "websocket.receive", "text": str(number)})
    assert [(await inbox.get())["text"] for _ in range(10)] == list("0123456789")


async def test_a_waiting_reader_gets_the_message_that_comes_later():
    inbox = Inbox(Reading())
    waiting = asyncio.ensure_future(inbox.get())
    await asyncio.sleep(0)
    inbox.put_nowait(text())
    assert await waiting == text()


async def test_reading_pauses_once_when_full_and_goes_on_when_nearly_empty():
    reading = Reading()
    inbox = Inbox(reading)
    for _ in range(PAUSE_AT + 10):
        inbox.put_nowait(text())
    assert reading.calls == ["pause"]
    await take(inbox, PAUSE_AT + 10 - RESUME_AT - 1)
    assert reading.calls == ["pause"]
    await take(inbox, 1)
    assert reading.calls == ["pause", "resume"]


async def test_few_large_messages_pause_reading_too():
    reading = Reading()
    inbox = Inbox(reading)
    inbox.put_nowait(text(PAUSE_AT_BYTES - 1))
    assert reading.calls == []
    inbox.put_nowait(text(1))
    assert reading.calls == ["pause"]
    await take(inbox, 1)
    assert reading.calls == ["pause", "resume"]


async def test_a_flood_that_no_pause_stops_is_cut_and_not_kept():
    reading = Reading()
    inbox = Inbox(reading)
    for _ in range(CUT_AT + 500):
        inbox.put_nowait(text())
    assert reading.calls == ["pause", "abort"]
    await take(inbox, CUT_AT)
    waiting = asyncio.ensure_future(inbox.get())
    await asyncio.sleep(0)
    assert not waiting.done()
    inbox.put_nowait({"type": "websocket.disconnect", "code": 1006})
    assert (await waiting)["type"] == "websocket.disconnect"


async def test_a_cut_connection_is_not_read_again():
    reading = Reading()
    inbox = Inbox(reading)
    for _ in range(CUT_AT):
        inbox.put_nowait(text())
    await take(inbox, CUT_AT)
    assert "resume" not in reading.calls


async def test_a_reader_that_was_cancelled_loses_no_message():
    inbox = Inbox(Reading())
    waiting = asyncio.ensure_future(inbox.get())
    await asyncio.sleep(0)
    waiting.cancel()
    inbox.put_nowait(text())
    assert await inbox.get() == text()


async def test_an_open_gate_holds_nobody():
    await SendGate(cut=lambda: None, timeout_seconds=0).wait()


async def test_a_sender_waits_until_the_peer_reads_again():
    gate = SendGate(cut=lambda: None, timeout_seconds=60)
    gate.pauseProducing()
    senders = [asyncio.ensure_future(gate.wait()) for _ in range(3)]
    await asyncio.sleep(0)
    assert not any(sender.done() for sender in senders)
    gate.resumeProducing()
    await asyncio.gather(*senders)


async def test_a_peer_that_reads_nothing_is_cut():
    cuts: list[bool] = []
    gate = SendGate(cut=lambda: cuts.append(True), timeout_seconds=0.01)
    gate.pauseProducing()
    await asyncio.gather(gate.wait(), gate.wait())
    assert cuts
    assert not gate.closed


async def test_a_lost_connection_frees_the_senders():
    gate = SendGate(cut=lambda: None, timeout_seconds=60)
    gate.pauseProducing()
    sender = asyncio.ensure_future(gate.wait())
    gate.stopProducing()
    await sender


def test_frame_heads_are_those_of_the_rfc():
    assert frame_head(0x81, 125) == b"\x81\x7d"
    assert frame_head(0x81, 126) == b"\x81\x7e\x00\x7e"
    assert frame_head(0x82, 65_535) == b"\x82\x7e\xff\xff"
    assert frame_head(0x82, 65_536) == b"\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00"
