"""What a ring does when nothing is broken: every call, the wrap, and a model beside it."""

from __future__ import annotations

import array
import ctypes
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from aetherless_py import errors
from aetherless_py.shm import Consumer, Producer, RingBuffer
from tests.shm.children import Child

Sides = tuple[RingBuffer, Producer, Consumer]


@pytest.fixture(params=[True, False], ids=["checksum", "unchecked"])
def sides(request: pytest.FixtureRequest) -> Iterator[Sides]:
    with RingBuffer.create(4096, checksum=request.param) as ring:
        yield ring, ring.producer(), ring.consumer()


@pytest.mark.parametrize("size", [0, 1, 47, 48, 49, 64, 1000, 4080])
def test_every_pair_of_calls_carries_the_bytes(sides: Sides, size: int) -> None:
    _, producer, consumer = sides
    payload = os.urandom(size)
    for _ in range(10):  # more than once around
        producer.write(payload)
        assert consumer.read() == payload
        assert producer.try_write(payload)
        assert consumer.try_read() == payload
        producer.reserve(size)[:] = payload
        producer.commit()
        assert bytes(consumer.peek()) == payload
        consumer.release()
        producer.write(payload)
        into = bytearray(size + 5)
        assert consumer.read_into(into) == size
        assert into[:size] == payload
        assert producer.write_many([payload]) == 1
        assert consumer.read_many(3) == [payload]


def test_anything_with_the_buffer_protocol_is_a_payload(sides: Sides) -> None:
    _, producer, consumer = sides
    for payload in (
        bytearray(b"abc"),
        memoryview(b"abcdef")[2:4],
        np.arange(5, dtype=np.float64),
        array.array("i", [1, 2, 3]),
    ):
        producer.write(payload)
        assert consumer.read() == bytes(payload)
    with pytest.raises(TypeError):
        producer.write("text")  # type: ignore[arg-type]
    with pytest.raises((BufferError, ValueError), match="contiguous"):
        producer.write(np.arange(10)[::2])
    assert consumer.try_read() is None


def test_buffers_of_objects_are_refused(sides: Sides) -> None:
    _, producer, consumer = sides
    named = np.zeros(2, dtype=[("Our", "f8"), ("O", "i4")])  # an "O" in names is none
    times = np.array([1, 2], dtype="M8[s]")  # numpy has no format for them
    for payload in (named, times):
        producer.write(payload)
        assert consumer.read() == payload.tobytes()
    several = np.zeros(2, dtype=[("number", "f8"), ("thing", object)])
    for objects in (np.array(["a", {}], dtype=object), several, (ctypes.py_object * 2)()):
        for write in (
            producer.write,
            producer.try_write,
            lambda bad: producer.write([b"head", bad]),
            lambda bad: producer.write_many([bad]),
        ):
            with pytest.raises(TypeError, match="of Python objects"):
                write(objects)
        assert consumer.try_read() is None
        producer.write(b"x" * 16)
        with pytest.raises(TypeError, match="of Python objects"):
            consumer.read_into(objects)
        assert consumer.read() == b"x" * 16


def test_many_stops_at_the_first_that_does_not_fit(sides: Sides) -> None:
    _, producer, consumer = sides
    payloads = [bytes([i]) * 100 for i in range(100)]
    written = producer.write_many(payloads)
    assert written == 4096 // 128
    assert not producer.try_write(b"x" * 100)
    assert consumer.read_many(10) == payloads[:10]
    assert consumer.read_many(1 << 64) == payloads[10:written]
    assert producer.write_many([]) == 0
    assert producer.write_many(iter([b"a", b"b"])) == 2
    assert consumer.read_many(5) == [b"a", b"b"]


def test_many_hands_over_what_comes_before_a_bad_one(sides: Sides) -> None:
    _, producer, consumer = sides
    for bad, error in (("text", TypeError), (bytes(5000), errors.MessageTooLargeError)):
        assert producer.write_many([b"a", b"b", bad, b"c"]) == 2  # type: ignore[list-item]
        with pytest.raises(error):
            producer.write_many([bad, b"c"])  # type: ignore[list-item]
        assert consumer.read_many(5) == [b"a", b"b"]
        assert consumer.try_read() is None


def test_many_from_code_that_fails_writes_nothing(sides: Sides) -> None:
    _, producer, consumer = sides

    def payloads() -> Iterator[bytes]:
        yield b"a"
        raise KeyError("no more")

    with pytest.raises(KeyError):
        producer.write_many(payloads())
    assert consumer.try_read() is None


def test_views_are_the_segments_memory_also_across_the_wrap(sides: Sides) -> None:
    _, producer, consumer = sides
    for _ in range(64):
        view = producer.reserve(1000)
        filled = np.frombuffer(view, dtype=np.uint8)
        filled[:] = np.arange(1000) % 251
        del filled
        producer.commit()
        with pytest.raises(ValueError, match="released"):
            view[0] = 1
        seen = consumer.peek()
        assert seen.readonly and seen.contiguous
        assert np.array_equal(np.frombuffer(seen, dtype=np.uint8), np.arange(1000) % 251)
        consumer.release()
        with pytest.raises(ValueError, match="released"):
            bytes(seen)


def test_a_view_in_use_is_not_handed_on(sides: Sides) -> None:
    ring, producer, consumer = sides
    part = producer.reserve(100)[10:20]
    with pytest.raises(errors.ViewInUseError):
        producer.commit()
    with pytest.raises(errors.ViewInUseError):
        producer.abort()
    with pytest.raises(errors.ViewInUseError):
        ring.close()
    part[:] = b"0123456789"
    part.release()
    producer.commit()
    kept = np.frombuffer(consumer.peek(), dtype=np.uint8)
    with pytest.raises(errors.ViewInUseError):
        consumer.release()
    assert bytes(kept[10:20]) == b"0123456789"
    del kept
    consumer.release()


def test_commit_may_take_less_and_abort_takes_nothing(sides: Sides) -> None:
    _, producer, consumer = sides
    producer.reserve(500)[:5] = b"short"
    with pytest.raises(errors.ReservationError):
        producer.commit(501)
    producer.commit(5)
    assert consumer.read() == b"short"
    producer.reserve(500)
    producer.abort()
    assert consumer.try_read() is None


def test_calls_out_of_order_are_refused(sides: Sides) -> None:
    _, producer, consumer = sides
    for call in (producer.commit, producer.abort, consumer.release):
        with pytest.raises(errors.ReservationError):
            call()
    producer.reserve(10)
    with pytest.raises(errors.ReservationError):
        producer.reserve(10)
    with pytest.raises(errors.ReservationError):
        producer.write(b"x")
    producer.commit()
    consumer.peek()
    for read in (consumer.read, consumer.peek, consumer.try_read):
        with pytest.raises(errors.ReservationError):
            read()
    with pytest.raises(ValueError, match="limit"):
        consumer.read_many(0)
    with pytest.raises(ValueError, match="negative"):
        producer.reserve(-1)


def test_a_buffer_too_small_leaves_the_message(sides: Sides) -> None:
    _, producer, consumer = sides
    producer.write(b"x" * 100)
    with pytest.raises(errors.BufferTooSmallError):
        consumer.read_into(bytearray(99))
    with pytest.raises(BufferError):
        consumer.read_into(bytes(100))
    assert consumer.read() == b"x" * 100


def test_time_outs(sides: Sides) -> None:
    _, producer, consumer = sides
    for timeout in (0, 0.001, 0.2):
        began = time.monotonic()
        with pytest.raises(TimeoutError):
            consumer.read(timeout=timeout)
        assert time.monotonic() - began >= timeout
    for bad in (-1, float("nan"), -(10**400)):
        with pytest.raises(ValueError, match="timeout"):
            consumer.read(timeout=bad)
    with pytest.raises(TypeError, match="timeout is 'soon': it must be None or a number"):
        consumer.read(timeout="soon")  # type: ignore[arg-type]
    producer.write(b"x")
    assert consumer.read(timeout=10**400) == b"x"
    while producer.try_write(b"x" * 1000):
        pass
    with pytest.raises(errors.RingTimeoutError):
        producer.write(b"x" * 1000, timeout=0.1)
    with pytest.raises(errors.RingTimeoutError):
        producer.reserve(1000, timeout=0.1)
    assert consumer.read_many(100) == [b"x" * 1000] * 4


def test_a_wait_lets_other_threads_run_and_ends_when_the_message_comes(sides: Sides) -> None:
    _, producer, consumer = sides
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(consumer.read(timeout=60)))
    reader.start()
    time.sleep(0.2)  # long enough that the reader sleeps on the futex
    producer.write(b"wake")
    reader.join(60)
    assert got == [b"wake"]


def test_a_second_thread_in_the_same_wait_is_refused(sides: Sides) -> None:
    _, producer, consumer = sides
    reader = threading.Thread(target=lambda: consumer.read(timeout=60))
    reader.start()
    time.sleep(0.2)
    with pytest.raises(errors.RingBusyError):
        consumer.read(timeout=1)
    producer.write(b"")
    reader.join(60)


def test_close_from_another_thread_ends_a_wait(sides: Sides) -> None:
    _, _, consumer = sides
    raised: list[BaseException] = []

    def wait() -> None:
        try:
            consumer.read()
        except errors.AetherlessError as error:
            raised.append(error)

    reader = threading.Thread(target=wait)
    reader.start()
    time.sleep(0.2)
    consumer.close()
    reader.join(60)
    assert [type(error) for error in raised] == [errors.RingClosedError]


def test_ctrl_c_ends_a_wait() -> None:
    with (
        RingBuffer.create(4096) as ring,
        ring.producer(),
        Child(
            """
        consumer = ring.consumer()
        say("waiting")
        try:
            consumer.read()
        except KeyboardInterrupt:
            say("interrupted")
        """,
            ring.name,
        ) as child,
    ):
        assert child.line() == "waiting"
        time.sleep(0.2)
        child.process.send_signal(signal.SIGINT)
        assert child.finish().strip() == "interrupted"


def test_use_after_close_is_refused(sides: Sides) -> None:
    ring, producer, consumer = sides
    producer.close()
    producer.close()
    with pytest.raises(errors.RingClosedError):
        producer.write(b"x")
    with pytest.raises(errors.PeerClosedError):
        consumer.read()
    ring.close()
    with pytest.raises(errors.RingClosedError):
        consumer.read()
    with pytest.raises(errors.RingClosedError):
        ring.producer()


def test_what_was_written_before_a_close_is_read_first(sides: Sides) -> None:
    ring, producer, consumer = sides
    producer.write_many([b"1", b"2"])
    producer.close()
    assert [consumer.read(), consumer.try_read()] == [b"1", b"2"]
    with pytest.raises(errors.PeerClosedError):
        consumer.try_read()
    successor = ring.producer()
    successor.write(b"3")
    assert consumer.read() == b"3"
    consumer.close()
    with pytest.raises(errors.PeerClosedError):
        successor.write(b"4")
    with pytest.raises(errors.PeerClosedError):
        successor.reserve(4)


def test_a_forked_child_does_not_own_its_parents_ring(sides: Sides) -> None:
    ring, producer, consumer = sides
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            producer.write(b"from the child")
        except errors.RingClosedError:
            try:
                ring.producer()
            except errors.RingClosedError:
                try:
                    RingBuffer.attach(ring.name).producer()
                except errors.RoleTakenError:
                    code = 0
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    producer.write(b"from the parent")
    assert consumer.read() == b"from the parent"


def test_a_forked_child_does_not_reach_its_parents_memory(sides: Sides) -> None:
    _, producer, consumer = sides
    view = producer.reserve(4)
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            view[:] = b"evil"
        except ValueError:
            code = 0
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    view[:] = b"good"
    producer.commit()
    assert consumer.read() == b"good"


class RingModel(RuleBasedStateMachine):
    """The ring against a deque, small enough that it wraps all the time."""

    def __init__(self) -> None:
        super().__init__()
        self.ring = RingBuffer.create(4096)
        self.producer = self.ring.producer()
        self.consumer = self.ring.consumer()
        self.queue: deque[bytes] = deque()

    def used(self) -> int:
        return sum((16 + len(payload) + 63) // 64 * 64 for payload in self.queue)

    @rule(payload=st.binary(max_size=1500))
    def try_write(self, payload: bytes) -> None:
        fits = self.used() + (16 + len(payload) + 63) // 64 * 64 <= 4096
        assert self.producer.try_write(payload) == fits
        if fits:
            self.queue.append(payload)

    @rule(payloads=st.lists(st.binary(max_size=300), max_size=20))
    def write_many(self, payloads: list[bytes]) -> None:
        try:
            written = self.producer.write_many(payloads, timeout=0)
        except errors.RingTimeoutError:
            written = 0
        self.queue.extend(payloads[:written])
        assert self.used() <= 4096
        if written < len(payloads):
            assert self.used() + (16 + len(payloads[written]) + 63) // 64 * 64 > 4096

    @rule(payload=st.binary(max_size=1500), extra=st.integers(0, 100), abort=st.booleans())
    def reserve(self, payload: bytes, extra: int, abort: bool) -> None:
        try:
            view = self.producer.reserve(len(payload) + extra, timeout=0)
        except errors.RingTimeoutError:
            return
        view[: len(payload)] = payload
        if abort:
            self.producer.abort()
        else:
            self.producer.commit(len(payload))
            self.queue.append(payload)

    @rule()
    def try_read(self) -> None:
        assert self.consumer.try_read() == (self.queue.popleft() if self.queue else None)

    @precondition(lambda self: self.queue)
    @rule()
    def peek(self) -> None:
        assert bytes(self.consumer.peek()) == self.queue.popleft()
        self.consumer.release()

    @precondition(lambda self: self.queue)
    @rule(limit=st.integers(1, 20))
    def read_many(self, limit: int) -> None:
        wanted = [self.queue.popleft() for _ in range(min(limit, len(self.queue)))]
        assert self.consumer.read_many(limit) == wanted

    @precondition(lambda self: self.queue)
    @rule()
    def read_into(self) -> None:
        buffer = bytearray(2000)
        size = self.consumer.read_into(buffer)
        assert buffer[:size] == self.queue.popleft()

    @invariant()
    def fill_level(self) -> None:
        assert self.ring.fill_bytes == self.used()

    def teardown(self) -> None:
        self.ring.close()
        self.ring.unlink()


TestModel = RingModel.TestCase
TestModel.settings = settings(max_examples=100, stateful_step_count=50, deadline=None)
