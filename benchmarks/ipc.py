"""Messages between two processes: the ring beside everything a developer would otherwise use.

A round is two fresh processes, each pinned to a processor of its own. What is measured at one size
is measured one after the other, and so is what bare C does on the same processors. Ratios are those
of rounds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar

import numpy as np

from benchmarks import package
from benchmarks.harness.floor import Kind, native_samples
from benchmarks.harness.processes import available_cpus, run_fresh
from benchmarks.harness.row import Row
from benchmarks.harness.samples import Samples
from benchmarks.harness.selection import Selection
from benchmarks.harness.session import Trial, Turn
from benchmarks.harness.suite import _Suite
from benchmarks.transports import transports
from benchmarks.transports.base import Mode

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

    @property
    def name(self) -> str:  # type: ignore[override]
        return f"ipc{'' if self.mode == 'echo' else '_oneway'}_{self.method}_{self.size_bytes}"

    @property
    def group(self) -> str:  # type: ignore[override]
        return f"ipc_{self.mode}_{self.size_bytes}"

    def missing(self) -> str | None:
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
        cpus = available_cpus()[0], available_cpus()[-1]
        timeout_s = TIMEOUT_S + (turn.iterations or 0) * SLOWEST_S
        if kind := NATIVE.get((self.method, self.mode)):
            # Of a stream as many messages as fit into a moment.
            stream = max(200, min(200_000, (1 << 28) // self.size_bytes))
            count = {"oneway": stream, "copy": None}.get(kind, turn.count(NATIVE_SAMPLES))
            return {"": native_samples(kind, self.size_bytes, count, cpus, timeout_s)}
        function = "json_codec"
        arguments: dict[str, Any] = {"size_bytes": self.size_bytes, "count": turn.iterations}
        if self.method != CODEC:
            way = transports()[self.method]
            function = "sample"
            arguments |= {
                "way": f"{way.__module__}:{way.__qualname__}",
                "mode": self.mode,
                "count": turn.count(way.samples // (1 if self.mode == "echo" else CALLS_A_STREAM)),
                "server_cpu": cpus[1],
            }
        target = f"benchmarks.transports.sampling:{function}"
        return {"": Samples(**run_fresh(target, arguments, timeout_s, cpus[0]))}


def _methods(mode: Mode, selection: Selection) -> tuple[str, ...]:
    """The transports that can do that, in the study, or that want to be in another selection."""
    return tuple(
        name
        for name, way in transports().items()
        if (way.streams or mode == "echo")
        and (selection is Selection.STUDY or mode in vars(way).get(selection, ()))
    )


STREAMS, COPIES = _methods("sink", Selection.STUDY), (FLOOR, "floor_copy")


class _Messages(_Suite):
    category = "ipc"
    param_names = ("method", "payload_size_bytes")
    mode: ClassVar[Mode]

    def row(self, method: str, payload_size_bytes: int) -> Row:
        way = transports().get(method)
        partners = {} if method == FLOOR else {"floor": FLOOR}
        if way is not None and method not in (RING, IN_PLACE):
            partners |= {"ring": RING, "ring_zero_copy": IN_PLACE}
        trial = PairTrial(method, payload_size_bytes, self.mode)
        streamed_bytes = payload_size_bytes if self.mode == "sink" else None
        return Row(
            name=trial.name,
            trial=trial,
            part="",
            beside={key: (replace(trial, method=each), "") for key, each in partners.items()},
            facts={"wait": way.wait if way else "spin"},
            told=partial(_told, streamed_bytes=streamed_bytes),
            message_bytes=streamed_bytes,
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
    study = ((*STREAMS, *COPIES), STREAM_SIZES)
    quick = ((*_methods("sink", Selection.QUICK), FLOOR), (64,))


class Bulk(_Messages):
    """As `OneWay`, of messages of a MiB and more, by the methods that are made for those."""

    mode = "sink"
    study = ((*(name for name in STREAMS if transports()[name].bulk), *COPIES), BULK_SIZES)


@dataclass(frozen=True)
class IdleTrial(Trial):
    """A consumer that waits in one way."""

    wait: str

    @property
    def name(self) -> str:  # type: ignore[override]
        return f"ipc_idle_{self.wait}"

    def missing(self) -> str | None:
        return package.lacks(package.ring)

    def run(self, turn: Turn) -> Mapping[str, Samples]:
        arguments, cpu = {"wait": self.wait, "seconds": IDLE_S}, available_cpus()[-1]
        found = run_fresh("benchmarks.transports.sampling:idle", arguments, TIMEOUT_S, cpu)
        return {"": Samples(**found)}


class Idle(_Suite):
    """How much processor time does a consumer use that waits for a second and gets no message?

    A sample is the processor time of the whole process, by the kernel's clock, for a second of
    waiting: 1 s is a processor that does nothing else. One fresh process, pinned, a sample a round.
    """

    category = "ipc"
    param_names = ("wait",)
    study = (("spin", "adaptive", "yield", "park"),)

    def row(self, wait: str) -> Row:
        trial = IdleTrial(wait)
        return Row(name=trial.name, trial=trial, part="")
