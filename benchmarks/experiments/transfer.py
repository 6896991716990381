"""Bytes from one function to a second one, inline and through a storage, from 1 KiB to 4 MiB.

STeLLAR's data transfers (Ustiugov et al., IISWC 2021). The first function makes bytes, the second
one answers with their digest.

- `inline`: the bytes are the body of the request that the runtime hands on (`x-aether-next`),
  through shared memory.
- `storage`: they are in a file in a tmpfs, and the request has its name: a storage that is as fast
  as one can be, where STeLLAR has that of a cloud.
- `alone`: one function does what both do, and nothing is handed on. What a transfer costs is the
  difference to it (`above_alone_ns` of each round, of medians).

All are served by the same runtime at the same time, and asked one right after the other, in an
order drawn from the seed. Each function has one instance, warm by the runtime's metrics: the answer
tells that of the last one only.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import package
from benchmarks.experiments._linked import ask_first, prove_warm
from benchmarks.experiments.base import _Experiment, _Requests, row
from benchmarks.harness import page_cache
from benchmarks.harness.row import Row
from benchmarks.harness.samples import Samples
from benchmarks.harness.session import Turn
from benchmarks.servers.aetherless import Aetherless
from benchmarks.workloads.registry import workload

WORKLOAD = workload("transfer")
WAYS = ("inline", "storage", "alone")
STORAGE = Path("/dev/shm")
# Of each round: the large ones take tens of milliseconds.
SAMPLES = {1 << 10: 100, 16 << 10: 100, 64 << 10: 60, 256 << 10: 25, 1 << 20: 8, 4 << 20: 4}


@dataclass(frozen=True)
class Transfers(_Requests):
    """So many bytes, in all ways, which are its parts."""

    size_bytes: int
    workload, platform = WORKLOAD.name, Aetherless.name
    label = "transfer of {size_bytes} bytes"
    turn_s = 1.05

    def missing(self) -> str | None:
        """As `Trial.missing`."""
        if page_cache.is_behind(STORAGE):
            return f"{STORAGE} is no tmpfs: mount one"
        return super().missing() or package.lacks(package.tail_calls)

    def run(self, turn: Turn) -> Mapping[str, Samples]:
        """As `Trial.run`."""
        found: dict[str, Samples] = {}
        with (
            tempfile.TemporaryDirectory(dir=STORAGE, prefix="aetherless-transfer-") as folder,
            _transfers(folder) as one,
        ):
            for way in np.random.default_rng(turn.seed).permutation(WAYS).tolist():
                found[way] = ask_first(
                    one, way, WORKLOAD.name, f"bytes={self.size_bytes}",
                    turn.count(SAMPLES[self.size_bytes]), turn.seed, {"way": way},
                )  # fmt: skip
            prove_warm(one)
        alone_ns = np.median(found["alone"].durations_ns)
        for way in WAYS[:-1]:
            above_ns = float(np.median(found[way].durations_ns) - alone_ns)
            facts = {**found[way].facts, "more": {"above_alone_ns": above_ns}}
            found[way] = replace(found[way], facts=facts)
        return found


def _transfers(folder: str) -> Aetherless:
    """The runtime with two functions of each way, and one alone."""
    functions: dict[str, dict[str, Any]] = {WAYS[-1]: {}}
    for way in WAYS[:-1]:
        second = f"{way}-second"
        functions[way] = {"environment": {"TRANSFER_WAY": way, "TRANSFER_NEXT": second}}
        functions[second] = {}
    return Aetherless(
        WORKLOAD.module,
        max_instances=1,
        memory_limit_mb=WORKLOAD.memory_mb,
        imports=list(WORKLOAD.imports),
        environment={"TRANSFER_FOLDER": folder},
        functions=functions,
    )


class _Transfer(_Experiment):
    """What does a request cost for which one function gives another one so many bytes?

    Timed in the client's process: from handing the request to the kernel until the whole answer is
    there, one request at a time over a kept connection; making the bytes and their digest are in
    it, and the same in all ways, as is taking and giving binary as base64 in `inline`, as Lambda's
    handlers do. Outside: starting, the first requests, connecting, comparing.
    """

    param_names = ("way", "transfer_size_bytes")
    tracking = (WAYS[:1], (1 << 16,))
    study = (WAYS, tuple(SAMPLES))

    def row(self, way: str, transfer_size_bytes: int) -> Row:
        """As `_Suite.row`."""
        trial = Transfers(transfer_size_bytes)
        others = WAYS[WAYS.index(way) + 1 :]
        return row(
            trial,
            way,
            "transfer",
            WORKLOAD.name,
            f"bytes{transfer_size_bytes}_{way}",
            beside={other: (trial, other) for other in others},
        )
