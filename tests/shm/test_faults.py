"""The faults that a shared-memory ring must not have, each provoked; and hostile segments."""

from __future__ import annotations

import mmap
import os
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import SupportsIndex

import numpy as np
import pytest

from aetherless_py import errors
from aetherless_py.shm import RingBuffer, layout, reclaim_stale
from aetherless_py.shm.side import Wait
from tests.shm.children import Child

SHM = Path("/dev/shm")


def poke(name: str, offset: int, data: bytes) -> None:
    """Overwrites bytes of a segment, as a broken or hostile process of the same user could."""
    with open(SHM / name.removeprefix("/"), "r+b") as file:
        file.seek(offset)
        file.write(data)


def peek(name: str, offset: int, size: int) -> bytes:
    with open(SHM / name.removeprefix("/"), "rb") as file:
        file.seek(offset)
        return file.read(size)


@pytest.fixture
def ring() -> Iterator[RingBuffer]:
    with RingBuffer.create(4096) as made:
        yield made


# 1: no size leads out of bounds; 9: what can never fit is told apart from full


@pytest.mark.parametrize("capacity", [0, -1, 1, 100, 4095, 4097, 6000, 1 << 32, 1 << 70])
def test_sizes_that_are_no_power_of_two_or_out_of_bounds_are_refused(capacity: int) -> None:
    with pytest.raises(errors.SegmentSizeError, match=r"power of two from \d+ to \d+"):
        RingBuffer.create(capacity)


@pytest.mark.parametrize("capacity", [np.int64(8192), np.uint16(8192), np.array(8192)])
def test_sizes_of_other_kinds_of_whole_numbers(capacity: SupportsIndex) -> None:
    with RingBuffer.create(capacity) as made, RingBuffer.attach(made.name) as attached:
        assert type(made.capacity_bytes) is int
        assert made.capacity_bytes == attached.capacity_bytes == 8192


@pytest.mark.parametrize("capacity", [np.int64(-4096), np.int8(-128), np.uint64((1 << 64) - 1)])
def test_bad_sizes_of_other_kinds_of_whole_numbers(capacity: SupportsIndex) -> None:
    with pytest.raises(errors.SegmentSizeError, match=r"power of two from \d+ to \d+"):
        RingBuffer.create(capacity)


@pytest.mark.parametrize(
    "capacity", [4096.0, "4096", None, True, np.float64(4096), np.array(4096.0), np.True_]
)
def test_sizes_that_are_no_int_are_refused(capacity: object) -> None:
    with pytest.raises(errors.SegmentSizeError, match="must be an int"):
        RingBuffer.create(capacity)  # type: ignore[arg-type]


def test_every_size_of_message_at_every_offset_stays_inside(ring: RingBuffer) -> None:
    producer, consumer = ring.producer(), ring.consumer()
    sizes = [*range(0, 200), *range(3900, 4081)]
    for size in sizes:
        payload = bytes([size % 256]) * size
        producer.write(payload)
        assert consumer.read() == payload
    head = struct.unpack("Q", peek(ring.name, layout.OFFSET_HEAD, 8))[0]
    assert head == sum((16 + size + 63) // 64 * 64 for size in sizes)


def test_a_message_that_can_never_fit_is_an_error_of_its_own(ring: RingBuffer) -> None:
    producer = ring.producer()
    for call in (
        lambda: producer.write(b"x" * 4081),
        lambda: producer.try_write(b"x" * 4081),
        lambda: producer.write_many([b"x" * 4081]),
        lambda: producer.reserve(4081),
        lambda: producer.reserve(1 << 64),
    ):
        with pytest.raises(errors.MessageTooLargeError, match="4080 at most"):
            call()
    assert ring.fill_bytes == 0


# 2 and 3: nothing in a segment is believed


@pytest.mark.parametrize(
    ("offset", "data", "words"),
    [
        (layout.OFFSET_MAGIC, b"NOTARING", "magic"),
        (layout.OFFSET_VERSION, struct.pack("I", 99), "version 99"),
        (layout.OFFSET_FLAGS, struct.pack("I", 0xFF), "flags"),
        (layout.OFFSET_CAPACITY, struct.pack("Q", 0), "power of two"),
        (layout.OFFSET_CAPACITY, struct.pack("Q", 8192), "truncated or damaged"),
        (layout.OFFSET_CAPACITY, struct.pack("Q", 1 << 60), "power of two"),
        (layout.OFFSET_DATA_OFFSET, struct.pack("Q", 128), "data at 128"),
    ],
)
def test_attach_refuses_a_wrong_header(
    ring: RingBuffer, offset: int, data: bytes, words: str
) -> None:
    poke(ring.name, offset, data)
    with pytest.raises(errors.SegmentFormatError, match=words):
        RingBuffer.attach(ring.name)


@pytest.mark.parametrize("size", [0, 10, 4096, layout.DATA_OFFSET, layout.DATA_OFFSET + 100000])
def test_attach_refuses_a_wrong_size_of_the_object(ring: RingBuffer, size: int) -> None:
    with open(SHM / ring.name[1:], "r+b") as file:
        copy = file.read(4096)
    name = "aether-test-resized"
    path = SHM / name
    path.touch(mode=0o600)
    try:
        path.write_bytes(copy[:size])
        os.truncate(path, size)
        with pytest.raises(errors.SegmentFormatError):
            RingBuffer.attach(name)
    finally:
        path.unlink()


@pytest.mark.parametrize("value", [1, 64 * 1000, 1 << 63, (1 << 64) - 64, (1 << 64) - 1])
def test_a_wild_index_is_an_error_not_a_crash(ring: RingBuffer, value: int) -> None:
    producer, consumer = ring.producer(), ring.consumer()
    poke(ring.name, layout.OFFSET_HEAD, struct.pack("Q", value))
    for read in (consumer.try_read, lambda: consumer.read(timeout=1), lambda: consumer.peek(0)):
        with pytest.raises(errors.RingCorruptError, match="head"):
            read()
    poke(ring.name, layout.OFFSET_TAIL, struct.pack("Q", value))
    with pytest.raises(errors.RingCorruptError, match="tail"):
        while producer.try_write(b"x" * 1000):
            pass


def test_a_claim_on_wild_indices_is_refused(ring: RingBuffer) -> None:
    poke(ring.name, layout.OFFSET_HEAD, struct.pack("Q", 1 << 40))
    for claim in (ring.producer, ring.consumer):
        with pytest.raises(errors.RingCorruptError, match="unlink the ring"):
            claim()


def test_a_capacity_changed_after_attaching_changes_nothing(ring: RingBuffer) -> None:
    producer, consumer = ring.producer(), ring.consumer()
    poke(ring.name, layout.OFFSET_CAPACITY, struct.pack("Q", 0))
    for i in range(200):
        producer.write(bytes([i]) * 300)
        assert consumer.read() == bytes([i]) * 300
    assert ring.capacity_bytes == 4096


# 4: a damaged message is skipped, whatever part of it is damaged


@pytest.mark.parametrize(
    ("offset", "data"),
    [
        (layout.FRAME_HEADER_BYTES + 50, b"\xff"),
        (layout.FRAME_CRC, b"\xaa\xbb\xcc\xdd"),
        (layout.FRAME_LENGTH, struct.pack("I", 0)),
        (layout.FRAME_LENGTH, struct.pack("I", 101)),
        (layout.FRAME_LENGTH, struct.pack("I", 300)),
        (layout.FRAME_LENGTH, struct.pack("I", 0xFFFFFFFF)),
        (layout.FRAME_POSITION, struct.pack("I", 12345)),
        (layout.FRAME_TAG, struct.pack("I", 1)),
    ],
)
@pytest.mark.parametrize("before", [0, 30])
@pytest.mark.parametrize("way", ["read", "try_read", "peek", "read_into", "read_many"])
def test_a_damaged_frame_raises_is_skipped_and_the_ring_goes_on(
    ring: RingBuffer, offset: int, data: bytes, before: int, way: str
) -> None:
    producer, consumer = ring.producer(), ring.consumer()
    for _ in range(before):  # so that the frames lie across the wrap
        producer.write(b"x" * 100)
        consumer.read()
    at = before * 128
    producer.write_many([b"a" * 100, b"b" * 100, b"c" * 200])
    poke(ring.name, layout.DATA_OFFSET + (at + offset) % 4096, data)
    calls: dict[str, Callable[[], object]] = {
        "read": consumer.read,
        "try_read": consumer.try_read,
        "peek": consumer.peek,
        "read_into": lambda: consumer.read_into(bytearray(1000)),
        "read_many": lambda: consumer.read_many(10),
    }
    with pytest.raises(errors.DamagedFrameError) as caught:
        calls[way]()
    assert (caught.value.position, caught.value.skipped_bytes) == (at, 128)
    assert consumer.read_many(10) == [b"b" * 100, b"c" * 200]
    producer.write(b"on")
    assert consumer.read() == b"on"
    assert ring.fill_bytes == 0


def test_read_many_hands_over_what_it_read_before_a_damaged_frame(ring: RingBuffer) -> None:
    producer, consumer = ring.producer(), ring.consumer()
    producer.write_many([b"a", b"b", b"c"])
    poke(ring.name, layout.DATA_OFFSET + 64 + layout.FRAME_HEADER_BYTES, b"X")
    assert consumer.read_many(10) == [b"a"]
    with pytest.raises(errors.DamagedFrameError):
        consumer.read_many(10)
    assert consumer.read_many(10) == [b"c"]


def test_an_unchecked_ring_survives_a_damaged_length_too() -> None:
    with RingBuffer.create(4096, checksum=False) as ring:
        producer, consumer = ring.producer(), ring.consumer()
        producer.write_many([b"a" * 100, b"b" * 100])
        poke(ring.name, layout.DATA_OFFSET + layout.FRAME_LENGTH, struct.pack("I", 1 << 31))
        with pytest.raises(errors.DamagedFrameError):
            consumer.read()
        assert consumer.read() == b"b" * 100


# 5: one producer, one consumer


def test_a_second_producer_or_consumer_is_refused_also_from_another_process(
    ring: RingBuffer,
) -> None:
    producer, consumer = ring.producer(), ring.consumer()
    for claim in (ring.producer, ring.consumer, RingBuffer.attach(ring.name).producer):
        with pytest.raises(errors.RoleTakenError, match="already"):
            claim()
    with Child(
        """
        for claim in (ring.producer, ring.consumer):
            try:
                claim()
            except errors.RoleTakenError:
                say("refused")
        """,
        ring.name,
    ) as child:
        assert child.finish().split() == ["refused", "refused"]
    producer.write(b"still mine")
    assert consumer.read() == b"still mine"
    producer.close()
    ring.producer().close()


def test_of_many_processes_that_claim_at_once_one_wins(ring: RingBuffer) -> None:
    code = """
        sys.stdin.readline()
        try:
            side = ring.producer()
            say("won")
        except errors.RoleTakenError:
            say("refused")
        sys.stdin.readline()
        """
    children = [Child(code, ring.name) for _ in range(4)]
    try:
        for child in children:
            assert child.process.stdin is not None
            child.process.stdin.write("go\n")
            child.process.stdin.flush()
        assert sorted(child.line() for child in children) == ["refused"] * 3 + ["won"]
    finally:
        for child in children:
            child.process.communicate("end\n", timeout=60)


# 6 and 7: dead segments are reclaimed, live ones never

ORPHAN = """
    from aetherless_py.shm import RingBuffer
    made = RingBuffer.create(4096, name=sys.argv[2] or None)
    made.producer().write(b"queued")
    say(made.name)
    sys.stdin.readline()
    """


def test_the_name_of_a_killed_owner_can_be_made_again() -> None:
    with Child(ORPHAN, "", "aether-test-orphan") as child:
        assert child.line() == "/aether-test-orphan"
        with pytest.raises(errors.SegmentExistsError, match="in use"):
            RingBuffer.create(4096, name="aether-test-orphan")
        assert "/aether-test-orphan" not in reclaim_stale()
        child.kill()
        assert (SHM / "aether-test-orphan").exists()
        with RingBuffer.create(8192, name="aether-test-orphan") as ring:
            assert ring.fill_bytes == 0 and ring.capacity_bytes == 8192


def test_reclaim_finds_the_dead_and_leaves_the_living(ring: RingBuffer) -> None:
    with Child(ORPHAN, "", "") as child:
        name = child.line()
        child.kill()
        assert name in reclaim_stale()
        assert name not in reclaim_stale()
    assert (SHM / ring.name[1:]).exists()


def test_a_segment_lives_while_anybody_uses_it() -> None:
    with Child(ORPHAN, "", "aether-test-heir") as child:
        child.line()
        heir = RingBuffer.attach("aether-test-heir")
        child.kill()
        assert "/aether-test-heir" not in reclaim_stale()
        with pytest.raises(errors.SegmentExistsError):
            RingBuffer.create(4096, name="aether-test-heir")
        assert heir.consumer().read() == b"queued"
        heir.close()
        assert "/aether-test-heir" in reclaim_stale()


def test_making_over_a_live_ring_loses_nothing(ring: RingBuffer) -> None:
    producer, consumer = ring.producer(), ring.consumer()
    producer.write(b"queued")
    with pytest.raises(errors.SegmentExistsError):
        RingBuffer.create(4096, name=ring.name)
    assert consumer.read() == b"queued"


def test_what_is_no_ring_is_never_removed() -> None:
    path = SHM / "aether-test-foreign"
    path.write_bytes(b"somebody's data")
    try:
        with pytest.raises(errors.SegmentExistsError, match="no ring"):
            RingBuffer.create(4096, name="aether-test-foreign")
        assert "/aether-test-foreign" not in reclaim_stale()
        path.chmod(0o600)
        with pytest.raises(errors.SegmentFormatError, match=r"magic|too few"):
            RingBuffer.attach("aether-test-foreign")
        assert path.read_bytes() == b"somebody's data"
    finally:
        path.unlink()


def test_unlink_never_removes_another_ring_of_the_same_name() -> None:
    first = RingBuffer.create(4096, name="aether-test-twice")
    os.unlink(SHM / "aether-test-twice")
    with RingBuffer.create(4096, name="aether-test-twice"):
        first.unlink()
        first.close()
        assert (SHM / "aether-test-twice").exists()


# 8: a full file system is an error, not a SIGBUS

FULL = """
import errno, os, sys
from aetherless_py import errors
from aetherless_py.shm import RingBuffer
try:
    RingBuffer.create(1 << 26, name="aether-test-full")
except errors.SegmentNoSpaceError as error:
    assert error.errno == errno.ENOSPC, error
    print("no space:", error)
with RingBuffer.create(1 << 16) as ring:
    producer, consumer = ring.producer(), ring.consumer()
    producer.write(b"x" * 60000)
    assert consumer.read() == b"x" * 60000
assert os.listdir("/dev/shm") == [], os.listdir("/dev/shm")
"""


def test_a_full_shared_memory_file_system() -> None:
    mount = 'mount -t tmpfs -o size=8m tmpfs /dev/shm && exec "$0" -c "$1"'
    try:
        probe = subprocess.run(
            ["unshare", "--mount", "--map-root-user", "true"], capture_output=True, timeout=60
        )
    except FileNotFoundError:
        pytest.skip("needs unshare (util-linux) to give the test a small /dev/shm of its own")
    if probe.returncode != 0:
        pytest.skip(f"needs a mount namespace of its own: {probe.stderr.decode().strip()}")
    run = subprocess.run(
        ["unshare", "--mount", "--map-root-user", "sh", "-c", mount, sys.executable, FULL],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert run.returncode == 0, run.stderr
    assert "reclaim_stale" in run.stdout


# 10: a third party's look at the fill level


def test_the_fill_level_seen_from_outside_never_leaves_its_bounds(ring: RingBuffer) -> None:
    producer, consumer = ring.producer(), ring.consumer()
    with Child(
        """
        levels = set()
        say("looking")
        while not os.path.exists(sys.argv[2]):
            for _ in range(1000):
                levels.add(ring.fill_bytes)
        say(f"{min(levels)} {max(levels)}")
        """,
        ring.name,
        f"/tmp/aether-test-{os.getpid()}-stop",
    ) as child:
        stop = Path(f"/tmp/aether-test-{os.getpid()}-stop")
        child.line()
        try:
            for _ in range(200_000):
                producer.try_write(b"x" * 100)
                consumer.try_read()
            stop.touch()
            low, high = map(int, child.finish().split())
        finally:
            stop.unlink(missing_ok=True)
    assert 0 <= low <= high <= 4096


# 11: a peer that dies or closes is noticed, while waiting and while polling


@pytest.mark.parametrize("poll", [False, True])
def test_a_killed_producer_is_noticed_after_its_last_message(ring: RingBuffer, poll: bool) -> None:
    consumer = ring.consumer()
    with Child(
        """
        producer = ring.producer()
        producer.write(b"last")
        producer.reserve(100)[:] = b"h" * 100  # half a message
        say("ready")
        sys.stdin.readline()
        """,
        ring.name,
    ) as child:
        child.line()
        killer = threading.Timer(0.2, child.process.kill)
        killer.start()
        assert consumer.read() == b"last"
        with pytest.raises(errors.PeerDiedError):
            if poll:
                while consumer.try_read() is None:
                    pass
            else:
                consumer.read(timeout=60)
        killer.join()
    successor = ring.producer()
    successor.write(b"new")
    assert consumer.read() == b"new"


@pytest.mark.parametrize("poll", [False, True])
def test_a_killed_consumer_is_noticed_and_its_successor_goes_on(
    ring: RingBuffer, poll: bool
) -> None:
    producer = ring.producer()
    with Child(
        'consumer = ring.consumer(); say("ready"); sys.stdin.readline()', ring.name
    ) as child:
        child.line()
        while producer.try_write(b"x" * 1000):
            pass
        killer = threading.Timer(0.2, child.process.kill)
        killer.start()
        with pytest.raises(errors.PeerDiedError):
            if poll:
                while not producer.try_write(b"x" * 1000):
                    pass
            else:
                producer.write(b"x" * 1000, timeout=60)
        killer.join()
    assert ring.consumer().read_many(10) == [b"x" * 1000] * 4


@pytest.mark.parametrize("way", ["write", "try_write", "write_many", "reserve"])
def test_a_killed_consumer_is_noticed_while_there_is_room(way: str) -> None:
    with RingBuffer.create(1 << 26) as ring, ring.producer() as producer:
        with Child(
            'consumer = ring.consumer(); say("ready"); sys.stdin.readline()', ring.name
        ) as child:
            child.line()
            child.kill()

        def once() -> None:
            if way == "reserve":
                producer.reserve(1)
                producer.commit()
            elif way == "write_many":
                producer.write_many([b"x"])
            else:
                getattr(producer, way)(b"x")

        with pytest.raises(errors.PeerDiedError):
            for _ in range(1000):  # a tenth of the ring in a second: it never fills up
                once()
                time.sleep(0.001)
        assert ring.fill_bytes < 1 << 25


@pytest.mark.parametrize("wait", ["spin", "adaptive", "park"])
def test_every_way_of_waiting_notices_time_death_and_signals(ring: RingBuffer, wait: Wait) -> None:
    consumer = ring.consumer(wait)
    with pytest.raises(errors.RingTimeoutError):
        consumer.read(timeout=0.05)
    with Child(
        """
        producer = ring.producer()
        say("ready")
        sys.stdin.readline()
        producer.write(b"hello")
        sys.stdin.readline()
        """,
        ring.name,
    ) as child:
        child.line()
        assert child.process.stdin is not None
        threading.Timer(0.2, lambda: print(file=child.process.stdin, flush=True)).start()
        assert consumer.read(timeout=60) == b"hello"

        def on_alarm(*_: object) -> None:
            raise InterruptedError("the alarm")

        before = signal.signal(signal.SIGALRM, on_alarm)
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.2)
            with pytest.raises(InterruptedError):
                consumer.read(timeout=60)
        finally:
            signal.signal(signal.SIGALRM, before)
        threading.Timer(0.2, child.process.kill).start()
        with pytest.raises(errors.PeerDiedError):
            consumer.read(timeout=60)


def test_an_unknown_way_of_waiting_is_refused(ring: RingBuffer) -> None:
    with pytest.raises(ValueError, match="one of spin, adaptive, yield, park"):
        ring.producer("sleep")  # type: ignore[arg-type]
    ring.producer("park")  # and the role is free


def test_death_is_noticed_within_100_ms_of_sleep(ring: RingBuffer) -> None:
    """The bound follows from the longest sleep, which is what is checked: no clock is."""
    source = Path(layout.__file__).parent / "_c" / "wait.h"
    if not source.exists():
        source = Path(__file__).parents[2] / "aetherless_py/shm/_c/wait.h"
    line = next(li for li in source.read_text().splitlines() if "define AETHER_SLEEP_NS" in li)
    assert int(line.split()[2].rstrip("L")) < 100_000_000


def test_a_peer_that_closes_wakes_a_sleeper(ring: RingBuffer) -> None:
    consumer = ring.consumer()
    with Child(
        'producer = ring.producer(); say("ready"); sys.stdin.readline(); producer.close()',
        ring.name,
    ) as child:
        child.line()
        assert child.process.stdin is not None
        stdin = child.process.stdin
        threading.Timer(0.2, lambda: (stdin.write("\n"), stdin.flush())).start()
        with pytest.raises(errors.PeerClosedError):
            consumer.read(timeout=60)
        child.finish()


# 12: what each side writes lies on line pairs of its own


def test_the_layout_keeps_the_sides_apart() -> None:
    offsets = [
        layout.OFFSET_MAGIC,
        layout.OFFSET_HEAD,
        layout.OFFSET_TAIL,
        layout.OFFSET_PRODUCER_ROLE,
        layout.OFFSET_CONSUMER_ROLE,
        layout.DATA_OFFSET,
    ]
    assert all(offset % 128 == 0 for offset in offsets)
    assert offsets == sorted(set(offsets))


# 13: zero copy is zero copy


def test_reserve_and_peek_are_the_segment_itself(ring: RingBuffer) -> None:
    producer, consumer = ring.producer(), ring.consumer()
    with open(SHM / ring.name[1:], "r+b") as file, mmap.mmap(file.fileno(), 0) as memory:
        at = layout.DATA_OFFSET + layout.FRAME_HEADER_BYTES
        producer.reserve(5)[:] = b"hello"
        assert memory[at : at + 5] == b"hello"
        producer.commit()
        view = consumer.peek()
        memory[at : at + 5] = b"HELLO"
        assert bytes(view) == b"HELLO"


# Names and strangers


@pytest.mark.parametrize(
    "name", ["", "/", "a/b", "../x", "/../etc", ".hidden", "-x", "x" * 201, "a b", "ü", "a\0b", 7]
)
def test_bad_names_are_refused(name: object) -> None:
    for call in (RingBuffer.attach, lambda n: RingBuffer.create(4096, name=n)):
        with pytest.raises(errors.SegmentNameError, match="segment name"):
            call(name)  # type: ignore[arg-type]


def test_a_missing_segment_says_so() -> None:
    with pytest.raises(FileNotFoundError, match="no such segment"):
        RingBuffer.attach("aether-test-none")


def test_a_segment_that_others_may_open_is_refused(ring: RingBuffer) -> None:
    os.chmod(SHM / ring.name[1:], 0o666)
    with pytest.raises(errors.SegmentForeignError, match="666"):
        RingBuffer.attach(ring.name)


def test_a_ring_is_for_its_user_only(ring: RingBuffer) -> None:
    assert (SHM / ring.name[1:]).stat().st_mode & 0o777 == 0o600


def test_a_dropped_ring_takes_its_name_with_it() -> None:
    name = RingBuffer.create(4096).name
    assert not (SHM / name[1:]).exists()


def test_an_owner_that_exits_takes_its_name_with_it() -> None:
    with Child("made = RingBuffer.create(4096); say(made.name)") as child:
        name = child.finish().strip()
    assert not (SHM / name[1:]).exists()


def test_a_view_outlives_the_ring_without_a_crash() -> None:
    ring = RingBuffer.create(4096)
    view = ring.producer().reserve(10)
    del ring
    view[:] = b"0123456789"
    assert bytes(view) == b"0123456789"
    time.sleep(0)
