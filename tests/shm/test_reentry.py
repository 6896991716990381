"""What runs in the middle of a call: handlers of signals, exporters of buffers, threads, forks."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import pytest

from aetherless_py import errors
from aetherless_py.shm import RingBuffer, layout, reclaim_stale
from aetherless_py.shm.consumer import Consumer
from aetherless_py.shm.side import Wait
from tests.shm.children import Child

SHM = Path("/dev/shm")


@pytest.fixture
def ring() -> Iterator[RingBuffer]:
    with RingBuffer.create(4096) as made:
        yield made


@contextmanager
def interrupted_by(handler: Callable[[], object], after_s: float = 0.1) -> Iterator[None]:
    """Runs `handler` as a signal's, once, while the body waits."""

    def handle(_number: int, _frame: FrameType | None) -> None:
        handler()

    before = signal.signal(signal.SIGALRM, handle)
    signal.setitimer(signal.ITIMER_REAL, after_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


# -- signals in the middle of a wait


def test_a_reservation_that_a_handler_opens_during_a_write_stands(ring: RingBuffer) -> None:
    producer, consumer = ring.producer(), ring.consumer()
    for number in range(63):
        producer.write(bytes([number]) * 48)

    def reserve() -> None:
        producer.reserve(48)[:] = b"r" * 48

    reader = threading.Timer(0.3, consumer.read)
    reader.start()
    with (
        interrupted_by(reserve),
        pytest.raises(errors.ReservationError, match="commit or abort"),
    ):
        producer.write(b"w" * 100)  # waits for two lines
    reader.join()
    producer.commit()
    assert consumer.read_many(100) == [bytes([n]) * 48 for n in range(1, 63)] + [b"r" * 48]


def test_a_peek_that_a_handler_opens_during_a_read_stands(ring: RingBuffer) -> None:
    producer, consumer = ring.producer(), ring.consumer()
    kept = []

    def peek() -> None:
        producer.write(b"peeked")
        kept.append(consumer.peek())

    with interrupted_by(peek), pytest.raises(errors.ReservationError, match="release the peeked"):
        consumer.read()
    assert bytes(kept.pop()) == b"peeked"
    consumer.release()
    assert consumer.try_read() is None


@pytest.mark.parametrize("wait", ["adaptive", "park", "spin"])
def test_a_child_that_a_handler_forks_does_not_wait_on_its_parents_ring(wait: str) -> None:
    with Child(
        """
        import signal
        made = RingBuffer.create(4096)
        consumer, producer = made.consumer(sys.argv[2]), made.producer()
        def fork(*_):
            if os.fork():
                raise InterruptedError
        signal.signal(signal.SIGALRM, fork)
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        try:
            consumer.read()
        except InterruptedError:
            status = os.wait()[1]
            producer.write(b"mine")
            say(f"{status} {consumer.read().decode()}")
        except errors.RingClosedError:
            os._exit(0)
        """,
        "",
        wait,
    ) as child:
        assert child.line() == "0 mine"
        child.finish()


# -- time


@pytest.mark.parametrize("wait", ["adaptive", "park", "spin"])
def test_what_came_in_time_is_read_however_late_the_reader_gets_its_turn(wait: Wait) -> None:
    with RingBuffer.create(4096) as ring:
        consumer = ring.consumer(wait)
        with Child(
            """
            producer = ring.producer()
            say("ready")
            sys.stdin.readline()
            producer.write(b"in time")
            say("written")
            """,
            ring.name,
        ) as child:
            assert child.line() == "ready"

            def keep_the_lock() -> None:
                # One call into C that keeps the interpreter lock far beyond the deadline.
                time.sleep(0.05)
                assert child.process.stdin is not None
                child.process.stdin.write("go\n")
                child.process.stdin.flush()
                ctypes.PyDLL(None).usleep(600_000)

            hog = threading.Thread(target=keep_the_lock)
            hog.start()
            assert consumer.read(timeout=0.3) == b"in time"
            hog.join()
            child.finish()


# -- arguments that run code


class Index:
    def __init__(self, action: Callable[[], object], value: int) -> None:
        self.action, self.value = action, value

    def __index__(self) -> int:
        self.action()
        return self.value


def test_a_size_that_commits_by_itself_does_not_commit_twice(ring: RingBuffer) -> None:
    producer, consumer = ring.producer(), ring.consumer()
    producer.reserve(60)[:] = b"x" * 60
    with pytest.raises(errors.ReservationError, match="nothing is reserved"):
        producer.commit(Index(producer.commit, 5))  # type: ignore[arg-type]
    assert consumer.read() == b"x" * 60
    assert consumer.try_read() is None


class Payloads(list[bytes]):
    def __init__(self, produce: Callable[[], Iterator[bytes]]) -> None:
        self._produce = produce

    def __iter__(self) -> Iterator[bytes]:
        return self._produce()


def test_a_list_of_its_own_kind_runs_its_code_before_anything_is_written(
    ring: RingBuffer,
) -> None:
    producer, consumer = ring.producer(), ring.consumer()

    def interrupted() -> Iterator[bytes]:
        yield b"a"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        producer.write_many(Payloads(interrupted))
    assert consumer.try_read() is None

    successors = []

    def replaced() -> Iterator[bytes]:
        producer.close()
        successors.append(ring.producer())
        yield b"of the closed one"

    with pytest.raises(errors.RingClosedError):
        producer.write_many(Payloads(replaced))
    successors[0].write(b"of the new one")
    assert consumer.read_many(10) == [b"of the new one"]


def test_no_side_gives_its_memory_out_as_a_buffer_after_commit(ring: RingBuffer) -> None:
    producer = ring.producer()
    producer.reserve(5)[:] = b"hello"
    producer.commit()
    with pytest.raises(BufferError):
        memoryview(producer)  # type: ignore[arg-type]
    assert ring.consumer().read() == b"hello"


def test_a_side_made_past_its_ring_is_closed() -> None:
    with RingBuffer.create(4096) as ring:
        for kind, call in ((type(ring.producer()), "write"), (type(ring.consumer()), "read_into")):
            with pytest.raises(errors.RingClosedError):
                getattr(kind.__new__(kind), call)(bytearray(4))


# -- read_many


def test_read_many_loses_nothing_when_memory_runs_out() -> None:
    with Child(
        """
        import resource
        made = RingBuffer.create(1 << 26)
        producer, consumer = made.producer(), made.consumer()
        sent = [bytes([65 + n]) * (8 << 20) for n in range(6)]
        assert producer.write_many(sent) == 6
        used = int(open("/proc/self/statm").read().split()[0]) * 4096
        resource.setrlimit(resource.RLIMIT_AS, (used + (20 << 20), resource.RLIM_INFINITY))
        got = consumer.read_many(6)
        few = len(got)
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        while (message := consumer.try_read()) is not None:
            got.append(message)
        say(f"{0 < few < 6} {got == sent}")
        """,
    ) as child:
        assert child.line() == "True True"
        child.finish()


def test_read_many_returns_while_the_producer_never_stops() -> None:
    with RingBuffer.create(1 << 16) as ring:
        consumer = ring.consumer()
        with Child(
            """
            producer = ring.producer()
            batch = [b"x" * 48] * 1000
            while True:
                producer.write_many(batch)
            """,
            ring.name,
        ) as child:
            for _ in range(200):
                assert len(consumer.read_many(sys.maxsize)) <= (1 << 16) // 64
            child.kill()


# -- close from another thread


def test_close_frees_the_role_at_once_though_a_thread_waits(ring: RingBuffer) -> None:
    waits: tuple[Wait, ...] = ("adaptive", "park", "spin")
    for wait in waits:
        consumer = ring.consumer(wait)
        refused: list[bool] = []

        def read(consumer: Consumer = consumer, refused: list[bool] = refused) -> None:
            with pytest.raises(errors.RingClosedError):
                consumer.read()
            refused.append(True)

        waiter = threading.Thread(target=read)
        waiter.start()
        time.sleep(0.1)
        consumer.close()
        successor = ring.consumer()
        successor.close()
        waiter.join()
        assert refused


def test_a_close_is_a_close_though_the_process_ends_with_a_waiting_thread(
    ring: RingBuffer,
) -> None:
    producer = ring.producer()
    with Child(
        """
        import threading
        consumer = ring.consumer()
        threading.Thread(target=consumer.read, daemon=True).start()
        time.sleep(0.1)
        consumer.close()
        os._exit(0)
        """,
        ring.name,
    ) as child:
        child.finish()
    with pytest.raises(errors.PeerClosedError):
        producer.write(b"x")


# -- a peer that is gone


@pytest.mark.parametrize("way", ["write", "try_write"])
def test_a_write_that_raises_has_written_nothing(ring: RingBuffer, way: str) -> None:
    producer = ring.producer()
    with Child("consumer = ring.consumer(); say('up'); sys.stdin.readline()", ring.name) as child:
        assert child.line() == "up"
        producer.write(b"first")  # looks for the peer now, and not again for a while
        child.kill()
    written = 0
    with pytest.raises(errors.PeerDiedError):
        while True:
            getattr(producer, way)(b"message")
            written += 1
            time.sleep(0.03)
    assert ring.consumer().read_many(100) == [b"first"] + [b"message"] * written


# -- forks of other threads, descriptors


def _holds(pid_folder: str, inode: int) -> int:
    held = 0
    for descriptor in os.listdir(f"{pid_folder}/fd"):
        try:
            held += os.stat(f"{pid_folder}/fd/{descriptor}").st_ino == inode
        except OSError:
            continue
    return held


@pytest.mark.slow
def test_a_fork_of_another_thread_keeps_no_descriptor_of_the_ring(ring: RingBuffer) -> None:
    inode = (SHM / ring.name[1:]).stat().st_ino
    stop = threading.Event()
    refused = []

    def churn() -> None:
        while not stop.is_set():
            try:
                ring.producer().close()
                RingBuffer.attach(ring.name).close()
            except errors.RoleTakenError as error:
                refused.append(error)

    thread = threading.Thread(target=churn)
    thread.start()
    try:
        for _ in range(400):
            pid = os.fork()
            if pid == 0:
                os._exit(_holds("/proc/self", inode))
            assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    finally:
        stop.set()
        thread.join()
    assert not refused


def test_what_is_closed_is_free_though_other_processes_are_started(ring: RingBuffer) -> None:
    stop = threading.Event()

    def start_others() -> None:
        while not stop.is_set():
            subprocess.run(["/bin/true"], check=True)

    thread = threading.Thread(target=start_others)
    thread.start()
    try:
        for _ in range(3000):
            ring.producer().close()
    finally:
        stop.set()
        thread.join()


def test_a_closed_ring_is_nobodys_though_its_sides_are_not_collected() -> None:
    ring = RingBuffer.create(4096, name="aether-test-closed")
    inode = (SHM / "aether-test-closed").stat().st_ino
    sides = ring.producer(), ring.consumer()
    ring.close()
    assert _holds("/proc/self", inode) == 0
    assert "/aether-test-closed" in reclaim_stale()
    ring.unlink()
    assert all(side.closed for side in sides)


# -- names that are no files; a full file system


@pytest.mark.parametrize("kind", ["fifo", "directory", "symlink", "dangling", "device"])
def test_what_is_no_file_is_no_ring_and_stays(kind: str) -> None:
    path = SHM / "aether-test-odd"
    make: dict[str, Callable[[], object]] = {
        "fifo": lambda: os.mkfifo(path, 0o600),
        "directory": lambda: path.mkdir(0o700),
        "symlink": lambda: path.symlink_to("/etc/hostname"),
        "dangling": lambda: path.symlink_to("/dev/shm/aether-test-nowhere"),
        "device": lambda: os.mknod(path, 0o600 | 0o020000, os.makedev(1, 3)),
    }
    try:
        make[kind]()
    except PermissionError:
        pytest.skip("making a device needs root")
    try:
        with pytest.raises(errors.SegmentFormatError, match="no regular file"):
            RingBuffer.attach("aether-test-odd")
        with pytest.raises(errors.SegmentExistsError, match="in use"):
            RingBuffer.create(4096, name="aether-test-odd")
        assert "/aether-test-odd" not in reclaim_stale()
    finally:
        if kind == "directory":
            path.rmdir()
        else:
            path.unlink()


# -- damage


def _poke(ring: RingBuffer, offset: int, data: bytes) -> None:
    with (SHM / ring.name[1:]).open("r+b") as segment:
        segment.seek(offset)
        segment.write(data)


def test_read_into_gets_past_a_length_that_was_damaged_upwards(ring: RingBuffer) -> None:
    producer, consumer = ring.producer(), ring.consumer()
    for number in range(8):
        producer.write(bytes([number]) * 100)
    _poke(ring, layout.DATA_OFFSET + layout.FRAME_LENGTH, (100 | 1 << 8).to_bytes(4, "little"))
    buffer = bytearray(100)
    with pytest.raises(errors.DamagedFrameError):
        consumer.read_into(buffer)
    for number in range(1, 8):
        assert consumer.read_into(buffer) == 100
        assert buffer == bytes([number]) * 100


def _imitation(head: int, payload: bytes) -> bytes:
    """A frame as its author would make it who knows everything but the ring's key."""
    length = len(payload).to_bytes(4, "little")
    crc = zlib.crc32(length + payload)
    position = (head // layout.FRAME_ALIGN_BYTES).to_bytes(4, "little")
    return position + bytes(4) + crc.to_bytes(4, "little") + length + payload


@pytest.mark.parametrize("checksum", [True, False])
def test_a_payload_that_imitates_a_frame_is_never_taken_for_one(checksum: bool) -> None:
    with RingBuffer.create(1 << 16, checksum=checksum) as ring:
        producer, consumer = ring.producer(), ring.consumer()
        before = b"p" * (layout.FRAME_ALIGN_BYTES - layout.FRAME_HEADER_BYTES)
        producer.write(before + _imitation(layout.FRAME_ALIGN_BYTES, b"forged"))
        producer.write(b"sound")
        _poke(ring, layout.DATA_OFFSET + layout.FRAME_POSITION, b"\xff" * 4)
        with pytest.raises(errors.DamagedFrameError):
            consumer.read()
        assert consumer.read() == b"sound"


def test_what_a_lying_peer_leaves_between_sound_messages_is_gone_after_an_error_each() -> None:
    with RingBuffer.create(1 << 16) as ring:
        producer, consumer = ring.producer(), ring.consumer()
        with (SHM / ring.name[1:]).open("rb") as segment:
            segment.seek(layout.OFFSET_KEY)
            key = int.from_bytes(segment.read(4), "little")
        lies = producer.reserve(64 * 100 - layout.FRAME_HEADER_BYTES)
        for line in range(1, 100):
            at = line * 64 - layout.FRAME_HEADER_BYTES
            lies[at : at + 4] = (line ^ key).to_bytes(4, "little")
            lies[at + 12 : at + 16] = (64 * (100 - line)).to_bytes(4, "little")
        producer.commit()
        _poke(ring, layout.DATA_OFFSET, b"\xff" * 4)
        producer.write(b"sound")
        damaged = 0
        while True:
            try:
                assert consumer.read() == b"sound"
                break
            except errors.DamagedFrameError:
                damaged += 1
        assert damaged == 100


def test_each_ring_has_a_key_of_its_own() -> None:
    keys = set()
    for _ in range(4):
        with RingBuffer.create(4096) as other:
            data = (SHM / other.name[1:]).read_bytes()
            keys.add(data[layout.OFFSET_KEY : layout.OFFSET_KEY + 4])
    assert len(keys) > 1
