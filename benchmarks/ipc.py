"""Messages between two processes: the ring beside everything a developer would otherwise use.

A round is two fresh processes, each pinned to a processor of its own. What is measured at one size
is measured in a row, in random order, and so is what bare C does on the same
processors. Ratios are those of rounds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from benchmarks import package
from benchmarks.harness.floor import Kind, native_samples
from benchmarks.harness.processes import Task, available_cpus, run_fresh
from benchmarks.harness.row import Row
from benchmarks.harness.samples import Samples
from benchmarks.harness.selection import Selection
from benchmarks.harness.session import Trial, Turn
from benchmarks.harness.suite import _Suite
from benchmarks.transports import transports
from benchmarks.transports.base import Mode, Transport

SIZES = (64, 256, 1024, 4096, 16384, 65536)
STREAM_SIZES = (64, 1024, 16384, 65536)
BULK_SIZES = (1 << 20, 4 << 20)
TRACKED_SIZES = (64, 1024, 65536)
CALLS_A_STREAM = 50  # round trips that are timed for each stream that is
TIMEOUT_S = 60.0
SLOWEST_S = 0.5  # that a sample may take where somebody wants many
IDLE_S = 1.0

RING, IN_PLACE = "shared_memory", "shared_memory_zero_copy"
FLOOR, CODEC = "floor", "json_codec"
# What bare C does, by the methods' names.
NATIVE: dict[tuple[str, Mode], Kind] = {
    (FLOOR, "echo"): "pingpong",
    ("floor_bounce", "echo"): "bounce",
    (FLOOR, "sink"): "oneway",
    ("floor_copy", "sink"): "copy",
}
NATIVE_SAMPLES = 2000


@dataclass(frozen=True)
class PairTrial(Trial):
    """One method at one size: a transport's name, one of `NATIVE`, or `CODEC`.

    Attributes:
        mode: "echo" for round trips, "sink" for streams.
    """

    method: str
    size_bytes: int
    mode: Mode
    turn_s = 0.3

    @property
    def name(self) -> str:  # type: ignore[override]
        """As `Trial.name`."""
        return f"ipc{'' if self.mode == 'echo' else '_oneway'}_{self.method}_{self.size_bytes}"

    @property
    def group(self) -> str:  # type: ignore[override]
        """As `Trial.group`."""
        return f"ipc_{self.mode}_{self.size_bytes}"

    def missing(self) -> str | None:
        """As `Trial.missing`."""
        if len(available_cpus()) < 2:
            return "two processes need two processors, this machine gives one"
        if (way := transports().get(self.method)) is None:
            return None
        if why := way.missing():
            return f"{self.method}: {why}"
        if way.largest_bytes is not None and self.size_bytes > way.largest_bytes:
            return f"{self.method}: carries {way.largest_bytes} bytes at most here"
        return None

    def run(self, turn: Turn) -> Mapping[str, Samples]:
        """As `Trial.run`."""
        available = available_cpus()
        cpus = available[0], available[-1]
        if (self.method, self.mode) in NATIVE:
            return {"": self._native(NATIVE[self.method, self.mode], turn, cpus)}
        way = transports().get(self.method, Transport)
        count = way.samples if self.mode == "echo" else way.samples // CALLS_A_STREAM
        target = "json_codec"
        arguments: dict[str, Any] = {"size_bytes": self.size_bytes, "count": turn.count(count)}
        if self.method != CODEC:
            target = "sample"
            arguments |= {
                "way": f"{way.__module__}:{way.__qualname__}",
                "mode": self.mode,
                "server_cpu": cpus[1],
            }
        task = Task(f"benchmarks.transports.sampling:{target}", arguments, cpus[0])
        timeout_s = TIMEOUT_S + (turn.iterations or 0) * SLOWEST_S
        return {"": Samples.of(run_fresh(task, timeout_s))}

    def _native(self, kind: Kind, turn: Turn, cpus: tuple[int, int]) -> Samples:
        if self.mode == "echo":
            count = turn.count(NATIVE_SAMPLES)
        else:  # as many messages as fit into a moment
            count = max(200, min(200_000, (1 << 28) // self.size_bytes))
        return native_samples(kind, self.size_bytes, count, cpus, TIMEOUT_S)


def _methods(mode: Mode, selection: Selection) -> tuple[str, ...]:
    """The transports that can do that, in the study, or that want to be in another selection."""
    return tuple(
        name
        for name, way in transports().items()
        if (way.streams or mode == "echo")
        and (selection is Selection.STUDY or mode in vars(way).get(selection, ()))
    )


class _Messages(_Suite):
    category = "ipc"
    param_names = ("method", "payload_size_bytes")
    mode: ClassVar[Mode]

    def row(self, method: str, payload_size_bytes: int) -> Row:
        """As `_Suite.row`."""
        way = transports().get(method)
        partners = {} if method == FLOOR else {"floor": FLOOR}
        if way is not None and method not in (RING, IN_PLACE):
            partners |= {"ring": RING, "ring_zero_copy": IN_PLACE}
        trial = PairTrial(method, payload_size_bytes, self.mode)
        streams = self.mode == "sink"

        def told(rounds: Sequence[Samples]) -> dict[str, float]:
            return _told(rounds, payload_size_bytes if streams else None)

        return Row(
            name=trial.name,
            trial=trial,
            part="",
            beside={
                key: (PairTrial(other, payload_size_bytes, self.mode), "")
                for key, other in partners.items()
            },
            facts={"wait": way.wait if way else "spin"},
            told=told,
            message_bytes=payload_size_bytes if streams else None,
        )


def _told(rounds: Sequence[Samples], streamed_bytes: int | None) -> dict[str, float]:
    """Processor time and codec, over all rounds, and of streams the time of a byte."""
    found: dict[str, float] = {}
    facts = [each.facts for each in rounds]
    if "cpu_messages" in facts[0]:
        messages = sum(each["cpu_messages"] for each in facts)
        for key in ("client_cpu_ns", "server_cpu_ns"):
            found[f"{key}_per_message"] = sum(each[key] for each in facts) / messages
    if "json_codec_ns" in facts[0]:
        found["json_codec_ns"] = float(np.median([each["json_codec_ns"] for each in facts]))
    if streamed_bytes is not None:
        medians_ns = [np.median(each.durations_ns) for each in rounds]
        found["ns_per_byte"] = float(np.median(medians_ns)) / streamed_bytes
    return found


class RoundTrip(_Messages):
    """How long does a message to the other process and its echo take?

    The clock, the client's, starts before the call and stops when the whole echo is there.
    Outside: both processes' starts, connecting, and the calls of the warm-up, each echo of which is
    compared with what was sent. `floor` is a spinning C ring without checks; `json_codec` is what
    JSON alone costs a call of the HTTP methods, in one process.
    """

    mode = "echo"
    tracking = ((*_methods("echo", Selection.TRACKING), FLOOR), TRACKED_SIZES)
    study = ((*_methods("echo", Selection.STUDY), FLOOR, CODEC), SIZES)
    quick = ((*_methods("echo", Selection.QUICK), FLOOR), (64,))


class Bounce(_Messages):
    """How long does one cache line take to the other processor and back?

    Two threads of bare C write to it in turn: nothing between two processors can be faster.
    """

    mode = "echo"
    study = quick = (("floor_bounce",), (64,))


class OneWay(_Messages):
    """How long does a message take in a stream of messages?

    The clock, the sender's, starts before the first message and stops when the receiver has
    confirmed the last one; a sample is a stream's mean time a message. Outside: as in `RoundTrip`;
    of the first stream, which warms up, the receiver looks at every byte, of the others it counts
    messages and bytes. `floor` is a spinning C ring without checks, `floor_copy` a plain copy into
    memory by one process.
    """

    mode = "sink"
    tracking = ((*_methods("sink", Selection.TRACKING), FLOOR), TRACKED_SIZES)
    study = ((*_methods("sink", Selection.STUDY), FLOOR, "floor_copy"), STREAM_SIZES)
    quick = ((*_methods("sink", Selection.QUICK), FLOOR), (64,))


class Bulk(_Messages):
    """As `OneWay`, of messages of a MiB and more, by the methods that are made for those."""

    mode = "sink"
    study = (
        (
            *(name for name in _methods("sink", Selection.STUDY) if transports()[name].bulk),
            FLOOR,
            "floor_copy",
        ),
        BULK_SIZES,
    )


@dataclass(frozen=True)
class IdleTrial(Trial):
    """A consumer that waits in one way."""

    wait: str
    turn_s = IDLE_S + 0.1

    @property
    def name(self) -> str:  # type: ignore[override]
        """As `Trial.name`."""
        return f"ipc_idle_{self.wait}"

    def missing(self) -> str | None:
        """As `Trial.missing`."""
        return package.lacks(package.ring)

    def run(self, turn: Turn) -> Mapping[str, Samples]:
        """As `Trial.run`."""
        arguments: dict[str, Any] = {"wait": self.wait, "seconds": IDLE_S}
        task = Task("benchmarks.transports.sampling:idle", arguments, available_cpus()[-1])
        return {"": Samples.of(run_fresh(task, TIMEOUT_S))}


class Idle(_Suite):
    """How much processor time does a consumer use that waits for a second and gets no message?

    A sample is the processor time of the whole process, by the kernel's clock, for a second of
    waiting: 1 s is a processor that does nothing else. One fresh process, pinned, a sample a round.
    """

    category = "ipc"
    param_names = ("wait",)
    study = (("spin", "adaptive", "yield", "park"),)

    def row(self, wait: str) -> Row:
        """As `_Suite.row`."""
        trial = IdleTrial(wait)
        return Row(name=trial.name, trial=trial, part="")
