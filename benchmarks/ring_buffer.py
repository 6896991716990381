"""The ring by itself: one thread that is producer and consumer in turn.

These figures are what the ring's own code costs, with warm caches and nobody at the other end.
They are no latency between processes.

A round is a fresh process pinned to the last processor, which samples for 50 ms. Messages of up to
4 KiB take not much longer than reading the clock does, so they are timed in blocks, whose means
have no tail percentiles; larger ones are timed one by one.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmarks import package
from benchmarks.harness.floor import native_samples
from benchmarks.harness.payload import payload_of
from benchmarks.harness.processes import available_cpus, run_fresh
from benchmarks.harness.row import Row
from benchmarks.harness.samples import Samples
from benchmarks.harness.session import Trial, Turn
from benchmarks.harness.suite import _Suite
from benchmarks.ring_operations import CAPACITY_BYTES, OPERATIONS, batch_size

if TYPE_CHECKING:
    from aetherless_py.shm import Consumer, Producer

SIZES = (64, 256, 1024, 4096, 16384, 65536)
NATIVE = "floor"  # the control: the same in bare C
TIMEOUT_S = 60.0


@dataclass(frozen=True)
class RingTrial(Trial):
    """One operation of the ring at one size, or the native baseline at that size."""

    operation: str
    size_bytes: int

    @property
    def name(self) -> str:  # type: ignore[override]
        return f"ring_buffer_{self.operation}_{self.size_bytes}"

    @property
    def group(self) -> str:  # type: ignore[override]
        return f"ring_buffer_{self.size_bytes}"

    def missing(self) -> str | None:
        return None if self.operation == NATIVE else package.lacks(package.ring)

    def run(self, turn: Turn) -> Mapping[str, Samples]:
        if self.operation == NATIVE:
            cpu = available_cpus()[-1]
            return {"": native_samples("same", self.size_bytes, None, (cpu, cpu), TIMEOUT_S)}
        return _sampled("sample", turn, operation=self.operation, size_bytes=self.size_bytes)


def _sampled(function: str, turn: Turn, **arguments: Any) -> Mapping[str, Samples]:
    arguments["count"] = turn.iterations
    target = f"benchmarks.ring_operations:{function}"
    return {"": Samples(**run_fresh(target, arguments, TIMEOUT_S, available_cpus()[-1]))}


class Latency(_Suite):
    """What does each operation cost?

    - `write`: `Producer.write` of one message into a ring with room; reading it back is outside.
    - `read`: `Consumer.read` of a message that is there; writing it is outside.
    - `roundtrip`: `write`, then `read` of the same message.
    - `roundtrip_zero_copy`: `reserve`, filling the view (one copy in), `commit`, `peek` (no copy
      out), `release`.
    - `roundtrip_unchecked`: as `roundtrip`, in a ring without checksum.
    - `checksum`: the ring's CRC-32 over the payload alone, called from Python.
    - `many`: `write_many`, then `read_many` of a batch; time a message.
    - `floor`: the native baseline: a message into a C ring without checks and out of it again, by
      one thread. No commit of the package can change it.
    """

    category = "ring_buffer"
    version = "4"
    param_names = ("operation", "payload_size_bytes")
    tracking = study = ((*OPERATIONS, NATIVE), SIZES)
    quick = ((*OPERATIONS, NATIVE), (64, 4096))

    def row(self, operation: str, payload_size_bytes: int) -> Row:
        trial = RingTrial(operation, payload_size_bytes)
        native = RingTrial(NATIVE, payload_size_bytes), ""
        return Row(
            name=trial.name,
            trial=trial,
            part="",
            beside={"floor": native} if operation.startswith("roundtrip") else {},
            message_bytes=payload_size_bytes if operation == "many" else None,
        )


class DequeTrial(Trial):
    """The interpreter's own cost."""

    name = "ring_buffer_deque"

    def run(self, turn: Turn) -> Mapping[str, Samples]:
        return _sampled("sample_deque", turn)


class Interpreter(_Suite):
    """What do two calls of the interpreter cost, which no commit of the package can change?

    `deque.append` and `deque.popleft` of an object, which copy nothing.
    """

    category = "ring_buffer"
    version = "4"
    param_names = ("operation",)
    tracking = study = (("deque",),)

    def row(self, operation: str) -> Row:
        return Row(name=f"ring_buffer_{operation}", trial=DequeTrial(), part="")


class Timed:
    """The same by asv's own statistics: means of 100 calls in asv's process.

    asv's layers around a call and the look-up of its arguments (0.15 us together where the round
    trip took 0.1 us) are in the figure: compare commits by it, and take the samples of `Latency`
    for what an operation costs. `time_batch` moves a batch of up to eight messages.

    There is no `setup`: with one, asv's runner times each call by itself, and two clock readings
    more are in the figure.
    """

    params = ((64, 1024, 65536),)
    param_names = ("payload_size_bytes",)
    skip_params = [] if package.lacks(package.ring) is None else [(size,) for size in params[0]]
    repeat = (8, 8, 0.2)
    processes = 2
    warmup_time = 0.02
    version = "3"
    number = 100

    def time_roundtrip(self, payload_size_bytes: int) -> None:
        """`write`, then `read`."""
        producer, consumer, payload = _kept(payload_size_bytes)
        producer.write(payload)
        consumer.read()

    def time_roundtrip_zero_copy(self, payload_size_bytes: int) -> None:
        """`reserve`, fill, `commit`, `peek`, `release`."""
        producer, consumer, payload = _kept(payload_size_bytes)
        producer.reserve(len(payload))[:] = payload
        producer.commit()
        consumer.peek()
        consumer.release()

    def time_batch(self, payload_size_bytes: int) -> None:
        """`write_many`, then `read_many`."""
        producer, consumer, payload = _kept(payload_size_bytes)
        producer.write_many([payload] * min(8, batch_size(payload_size_bytes)))
        consumer.read_many(8)


@functools.cache
def _kept(size_bytes: int) -> tuple[Producer, Consumer, bytes]:
    """A ring of this process's, made once, and the payload of that size."""
    ring = package.ring().create(CAPACITY_BYTES)
    ring.unlink()  # nobody else attaches: nothing is left however this process ends
    return ring.producer(), ring.consumer(), payload_of(size_bytes)
