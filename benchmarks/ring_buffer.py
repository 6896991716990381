"""The ring by itself: one thread that is producer and consumer in turn.

These figures are what the ring's own code costs, with warm caches and nobody at the other end.
They are no latency between processes.

Samples are taken in fresh processes pinned to one processor, one process after another. Messages of
up to 4 KiB take not much longer than reading the clock does, so they are timed in blocks, whose
means have no tail percentiles; larger ones are timed one by one.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING

from benchmarks.harness.measurement import Tracked, iterations, measure, tracked
from benchmarks.harness.payload import payload_of
from benchmarks.harness.processes import Task, available_cpus
from benchmarks.ring_operations import CAPACITY_BYTES, batch_size

if TYPE_CHECKING:
    from aetherless_py.shm import Consumer, Producer

SIZES = [64, 256, 1024, 4096, 16384, 65536]
PROCESSES = 3
SAMPLES = 400  # of each process
TIMEOUT_S = 60.0


def sampling_of(operation: str, size_bytes: int, cpu: int) -> Task:
    """What a fresh process is to do for one operation: see `ring_operations.sample`."""
    arguments = {
        "operation": operation, "size_bytes": size_bytes, "count": iterations(SAMPLES)
    }  # fmt: skip
    return Task("benchmarks.ring_operations:sample", arguments, cpu)


def _require_ring() -> None:
    try:
        from aetherless_py.shm import RingBuffer, checksum  # noqa: F401
    except ImportError as error:
        raise NotImplementedError(f"this commit's package has no ring: {error}") from None


class _TrackLike:
    """Samples of one operation, from fresh processes.

    What is timed stands in each subclass; always in one thread of a process pinned to the last
    processor, checksum on unless said.
    """

    params = SIZES
    param_names = ("payload_size_bytes",)
    timeout = 300
    operation = ""

    def setup(self, payload_size_bytes: int) -> None:
        _require_ring()

    def _track(self, payload_size_bytes: int) -> Tracked:
        task = sampling_of(self.operation, payload_size_bytes, available_cpus()[-1])
        name = f"ring_buffer.{type(self).__name__}.track_{self.operation}"
        return measure(name, [payload_size_bytes], [task] * PROCESSES, TIMEOUT_S)


class Write(_TrackLike):
    """`Producer.write` of one message into a ring with room; reading it back is outside."""

    operation = "write"

    @tracked("ring_buffer_write", 2)
    def track_write(self, payload_size_bytes: int) -> Tracked:
        return self._track(payload_size_bytes)


class Read(_TrackLike):
    """`Consumer.read` of a message that is there; writing it is outside."""

    operation = "read"

    @tracked("ring_buffer_read", 2)
    def track_read(self, payload_size_bytes: int) -> Tracked:
        return self._track(payload_size_bytes)


class Roundtrip(_TrackLike):
    """`write`, then `read` of the same message."""

    operation = "roundtrip"

    @tracked("ring_buffer_roundtrip", 2)
    def track_roundtrip(self, payload_size_bytes: int) -> Tracked:
        return self._track(payload_size_bytes)


class RoundtripZeroCopy(_TrackLike):
    """`reserve`, filling the view (one copy in), `commit`, `peek` (no copy out), `release`."""

    operation = "roundtrip_zero_copy"

    @tracked("ring_buffer_roundtrip_zero_copy", 2)
    def track_roundtrip_zero_copy(self, payload_size_bytes: int) -> Tracked:
        return self._track(payload_size_bytes)


class RoundtripUnchecked(_TrackLike):
    """As Roundtrip, in a ring without checksum."""

    operation = "roundtrip_unchecked"

    @tracked("ring_buffer_roundtrip_unchecked", 2)
    def track_roundtrip_unchecked(self, payload_size_bytes: int) -> Tracked:
        return self._track(payload_size_bytes)


class Checksum(_TrackLike):
    """The ring's CRC-32 over the payload alone, called from Python."""

    operation = "checksum"

    @tracked("ring_buffer_checksum", 2)
    def track_checksum(self, payload_size_bytes: int) -> Tracked:
        return self._track(payload_size_bytes)


class Many(_TrackLike):
    """`write_many`, then `read_many` of a batch; time a message."""

    operation = "many"

    @tracked("ring_buffer_many")
    def track_many(self, payload_size_bytes: int) -> Tracked:
        return self._track(payload_size_bytes)


def _has_ring() -> bool:
    try:
        _require_ring()
    except NotImplementedError:
        return False
    return True


class _AsvLike:
    """What asv's own statistics take of each operation."""

    params = SIZES
    param_names = ("payload_size_bytes",)
    repeat = (5, 50, 0.5)
    processes = 2
    warmup_time = 0.02
    version = "2"


class Asv(_AsvLike):
    """What leaves the ring as it was, by asv's own statistics: means of 100 calls in its process.

    asv's layers around a call and the look-up of its arguments (0.15 us together where the round
    trip took 0.1 us) are in the figure: compare commits by it, and take the samples of `track_*`
    for what an operation costs. `time_batch` moves a batch of up to eight messages.

    There is no `setup`: with one, asv's runner times each call by itself, and two clock readings
    more are in the figure.
    """

    skip_params = [] if _has_ring() else [(size,) for size in SIZES]
    number = 100

    def time_roundtrip(self, payload_size_bytes: int) -> None:
        producer, consumer, payload = _kept(payload_size_bytes, True)
        producer.write(payload)
        consumer.read()

    def time_roundtrip_unchecked(self, payload_size_bytes: int) -> None:
        producer, consumer, payload = _kept(payload_size_bytes, False)
        producer.write(payload)
        consumer.read()

    def time_roundtrip_zero_copy(self, payload_size_bytes: int) -> None:
        producer, consumer, payload = _kept(payload_size_bytes, True)
        producer.reserve(len(payload))[:] = payload
        producer.commit()
        consumer.peek()
        consumer.release()

    def time_batch(self, payload_size_bytes: int) -> None:
        producer, consumer, payload = _kept(payload_size_bytes, True)
        batch = [payload] * min(8, batch_size(payload_size_bytes))
        producer.write_many(batch)
        consumer.read_many(8)

    def time_checksum(self, payload_size_bytes: int) -> None:
        _crc32()(_kept(payload_size_bytes, True)[2])


class _AsvOneWayLike(_AsvLike):
    """One call at a time: asv calls `setup` before each, and times it by itself.

    A sample is the mean of eight. Two clock readings a call and caches that `setup` has used are in
    the figure.
    """

    number = 8

    def setup(self, payload_size_bytes: int) -> None:
        _require_ring()
        self.producer, self.consumer, self.payload = _kept(payload_size_bytes, True)
        while self.consumer.try_read() is not None:
            pass


class AsvWrite(_AsvOneWayLike):
    """Into an empty ring."""

    def time_write(self, payload_size_bytes: int) -> None:
        self.producer.write(self.payload)


class AsvRead(_AsvOneWayLike):
    """Out of a ring that holds one message."""

    def setup(self, payload_size_bytes: int) -> None:
        super().setup(payload_size_bytes)
        self.producer.write(self.payload)

    def time_read(self, payload_size_bytes: int) -> None:
        self.consumer.read()


for _suite in (Asv, AsvWrite, AsvRead):
    for _name, _method in list(vars(_suite).items()):
        if _name.startswith("time_"):  # the export calls them ring_buffer_<operation>_asv_<bytes>
            _method.pretty_name = f"ring_buffer_{_name.removeprefix('time_')}"


@functools.cache
def _kept(size_bytes: int, checksum: bool) -> tuple[Producer, Consumer, bytes]:
    """This process's ring, made once, and the payload of that size."""
    return *_sides(checksum), payload_of(size_bytes)


@functools.cache
def _sides(checksum: bool) -> tuple[Producer, Consumer]:
    from aetherless_py.shm import RingBuffer

    ring = RingBuffer.create(CAPACITY_BYTES, checksum=checksum)
    ring.unlink()  # nobody else attaches: nothing is left however this process ends
    return ring.producer(), ring.consumer()


@functools.cache
def _crc32() -> Callable[[bytes], int]:
    from aetherless_py.shm.checksum import crc32

    return crc32
