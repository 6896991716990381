"""A channel used from loops: many requests at a time, answers in any order, and a bell."""

from __future__ import annotations

import contextlib
import select
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from aetherless_py import errors
from aetherless_py.channel import Channel
from aetherless_py.shm.ring import RingBuffer
from aetherless_py.shm.side import Wait
from tests.gateway.up import eventually
from tests.test_channel import WATCHDOG_S

SERVER = """
    import os, socket, sys
    from aetherless_py import errors
    from aetherless_py.channel import Channel
    channel = Channel.attach(sys.argv[1], populate=False)
    bell = socket.socket(fileno=int(sys.argv[2]))
    channel.bell(bell.fileno())
    kept = []
    while True:
        try:
            number, request = channel.receive()
        except (errors.PeerClosedError, errors.PeerDiedError):
            sys.exit(7)
        text = bytes(request)
        request.release()
        channel.release()
        if text == b"die":
            os.kill(os.getpid(), 9)
        kept.append((number, text))
        if text == b"all":  # in the reverse of the order in which they came
            while kept:
                number, text = kept.pop()
                channel.answer(number, [text[:1], memoryview(text)[1:], b"!"])
"""


class Served:
    """A channel, its server's process, and our end of its bell."""

    def __init__(self) -> None:
        self.channel = Channel.create(1 << 16)
        self.bell, theirs = socket.socketpair()
        with theirs:
            self.process = subprocess.Popen(
                [
                    sys.executable, "-c", textwrap.dedent(SERVER),
                    self.channel.name, str(theirs.fileno()),
                ],
                pass_fds=[theirs.fileno()],
            )  # fmt: skip

    def rung(self) -> bytes:
        """What came on the bell."""
        assert select.select([self.bell], [], [], WATCHDOG_S)[0]
        return self.bell.recv(100)

    def answer(self) -> tuple[int, bytes, bool]:
        """The next answer, slept for."""
        while (found := self.channel.collect()) is None:
            if self.channel.arm():
                assert set(self.rung()) == {0}
        return found


@pytest.fixture
def served() -> Iterator[Served]:
    made = Served()
    yield made
    made.channel.close()
    made.channel.unlink()
    made.bell.close()
    made.process.kill()
    made.process.wait()


def post(channel: Channel, text: bytes) -> int:
    number = channel.post(text)
    assert number is not None
    return number


def test_answers_come_in_the_servers_order_each_with_its_requests_number(served: Served) -> None:
    asked = {post(served.channel, text): text for text in (b"one", b"two", b"three", b"all")}
    answers = [served.answer() for _ in asked]
    assert answers == [(number, asked[number] + b"!", False) for number in reversed(asked)]
    assert served.channel.collect() is None


def test_a_sleeper_is_rung_once_and_nobody_else(served: Served) -> None:
    for _ in range(200):
        number = post(served.channel, b"all")
        assert served.answer() == (number, b"all!", False)
    # One for each time at most: also where it was found awake in the end.
    served.bell.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        assert len(served.bell.recv(1000)) <= 200
    post(served.channel, b"all")
    while served.channel.collect() is None:  # awake: no byte is sent
        pass
    assert not select.select([served.bell], [], [], 0.05)[0]


def test_an_answer_that_is_there_needs_no_bell(served: Served) -> None:
    post(served.channel, b"all")
    while served.channel.arm():
        assert set(served.rung()) == {0}
    assert served.channel.collect() is not None


def test_no_room_is_told_at_once_and_comes_back_with_the_answers() -> None:
    with Channel.create(1 << 12) as channel:
        posted = 0
        while channel.post(b"x" * 400) is not None:
            posted += 1
        assert posted == (1 << 12) // 448
        with Channel.attach(channel.name) as server:
            number, _ = server.receive(WATCHDOG_S)
            server.release()
            server.answer(number, b"")
            found = channel.collect()
            assert found is not None and found[1:] == (b"", False)
            assert channel.post(b"y" * 400) is not None
            assert channel.post(b"y" * 400) is None


def test_a_request_that_can_never_fit_is_an_error_and_harms_nothing(served: Served) -> None:
    with pytest.raises(errors.MessageTooLargeError):
        served.channel.post([b"x" * 40000, b"x" * 40000])
    number = post(served.channel, b"all")
    assert served.answer() == (number, b"all!", False)


def test_a_killed_server_cuts_the_bell_and_is_noticed(served: Served) -> None:
    post(served.channel, b"die")
    assert served.rung() == b""
    served.process.wait(WATCHDOG_S)
    with pytest.raises(errors.PeerDiedError):
        while served.channel.collect() is None:
            pass
    with pytest.raises(errors.PeerDiedError):  # some time: the ring may be full before
        while True:
            served.channel.post(b"all")


def test_a_caller_that_closes_ends_a_server_that_waits(served: Served) -> None:
    post(served.channel, b"all")
    served.answer()
    served.channel.close()
    assert served.process.wait(WATCHDOG_S) == 7


def test_who_has_received_nothing_has_nothing_to_answer(served: Served) -> None:
    post(served.channel, b"all")
    served.answer()
    with Channel.create(1 << 12) as fresh:
        for channel in (fresh, served.channel):  # neither part yet; the caller
            with pytest.raises(errors.ReservationError, match="nothing was received"):
                channel.answer(4, b"x")


def test_a_closed_channel_touches_its_successors_bell_no_more(served: Served) -> None:
    post(served.channel, b"all")
    served.answer()
    served.channel.close()
    with pytest.raises(errors.RingClosedError):
        served.channel.arm()


@pytest.mark.parametrize("checksum", [True, False])
def test_a_message_in_parts_is_their_bytes_one_behind_the_other(checksum: bool) -> None:
    parts = [b"ab", bytearray(b"cd"), memoryview(b"xefx")[1:3], b"", memoryview(b"gh").cast("H")]
    with RingBuffer.create(1 << 12, checksum=checksum) as ring:
        producer, consumer = ring.producer(), ring.consumer()
        for _ in range(200):  # over the end of the ring, too
            producer.write(parts)
            assert consumer.read() == b"abcdefgh"
        producer.write([])
        assert consumer.read() == b""
        producer.write([np.zeros((0, 3)), np.zeros(2, "M8[D]"), np.zeros(2, ">i4,f8")])
        assert consumer.read() == bytes(16 + 24)
        big = [bytes([number]) * 333 for number in range(10)]
        assert producer.write_many([big, b"z"]) == 2
        assert consumer.read_many(5) == [b"".join(big), b"z"]


@pytest.mark.parametrize("parts", [["text"], [b"x", 3], [memoryview(b"abcd")[::2]]])
def test_parts_that_are_no_contiguous_buffers_are_refused(parts: list[object]) -> None:
    with RingBuffer.create(1 << 12) as ring:
        producer, consumer = ring.producer(), ring.consumer()
        with pytest.raises((TypeError, ValueError, BufferError)):
            producer.write(parts)
        producer.write(b"next")
        assert consumer.read() == b"next"


def test_one_request_can_be_waited_for_in_another_way() -> None:
    """A server that spins is always running; while it parks it sleeps."""
    with Channel.create(1 << 12) as channel, Channel.attach(channel.name, wait="spin") as server:
        threads: list[int] = []

        def receive(wait: Wait | None) -> bytes:
            threads.append(threading.get_native_id())
            _, request = server.receive(WATCHDOG_S, wait)
            try:
                return bytes(request)
            finally:
                request.release()
                server.release()

        def always(asleep: bool) -> bool:
            for _ in range(20):
                stat = Path(f"/proc/self/task/{threads[0]}/stat").read_text()
                if stat.rpartition(") ")[2].startswith("S") != asleep:
                    return False
                time.sleep(0.002)
            return True

        with pytest.raises(ValueError, match="wait is 'x': it must be one of "):
            server.receive(0, "x")  # type: ignore[arg-type]
        ways: list[tuple[Wait | None, bool]] = [("park", True), (None, False)]
        with ThreadPoolExecutor(1) as pool:
            for wait, asleep in ways:
                threads.clear()
                asked = pool.submit(receive, wait)
                eventually(lambda now=asleep: threads and always(now))  # type: ignore[misc]
                post(channel, b"now")
                assert asked.result(WATCHDOG_S) == b"now"
