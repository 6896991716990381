"""What this machine can do at best between two processes: `floor.c`, compiled when first asked.

A figure of a transport says little without it: the same ring that costs 0.8 us here costs half as
much on a machine whose cores share a cache.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Literal, TypeAlias

from benchmarks.harness.c_program import compiled
from benchmarks.harness.samples import Samples

Kind: TypeAlias = Literal["bounce", "pingpong", "oneway", "same", "copy"]

SOURCE = Path(__file__).with_name("floor.c")


def native_samples(
    kind: Kind, size_bytes: int, count: int | None, cpus: tuple[int, int], timeout_s: float
) -> Samples:
    """Measures one floor in two fresh processes, one on each processor, that only spin.

    Args:
        kind: "bounce", one cache line there and back; "pingpong", a message copied into a ring,
            out, in and out again; "oneway", a stream of messages; "same", in and out in one
            process on the first processor; "copy", into memory of the first processor.
        size_bytes: of a message; bounce ignores it.
        count: round trips, or messages; None for what one process moves in some 50 ms.
        cpus: the processors.
        timeout_s: the watchdog's.

    Returns:
        Each round trip; 20 means of one message for a stream, 200 for what one process does. The
        clock is C's, whose cost is not measured.

    Raises:
        NotImplementedError: no C compiler.
        RuntimeError: the program failed.
    """
    if count is None:  # about 4 ns a message, and 1 ns for each 50 bytes of it
        count = 50_000_000 // (4 + size_bytes // 50)
    command = [compiled(SOURCE), kind, str(size_bytes), str(count), str(cpus[0]), str(cpus[1])]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s)
    except subprocess.TimeoutExpired as late:
        raise RuntimeError(str(late)) from None
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
    durations_ns = [float(each) for each in done.stdout.split()]
    number = 1 if kind in ("bounce", "pingpong") else max(2, count // len(durations_ns))
    return Samples(durations_ns=durations_ns, number=number)
