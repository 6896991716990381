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
order drawn from the seed. Each function has one instance.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import package
from benchmarks.experiments._one_at_a_time import OneAtATime, prove_warm
from benchmarks.experiments.base import _Experiment, row, saying
from benchmarks.harness import page_cache
from benchmarks.harness.row import Row
from benchmarks.harness.samples import Samples
from benchmarks.harness.session import Turn

WAYS = ("inline", "storage", "alone")
STORAGE = Path("/dev/shm")
# Of each round: the large ones take tens of milliseconds.
SAMPLES = {1 << 10: 100, 16 << 10: 100, 64 << 10: 60, 256 << 10: 25, 1 << 20: 8, 4 << 20: 4}


@dataclass(frozen=True, kw_only=True)
class Transfers(OneAtATime):
    """So many bytes, in all ways, which are its parts."""

    warmup: int = 5  # the first one brings both instances up
    label = "{workload}, in all ways"

    def missing(self) -> str | None:
        if page_cache.is_behind(STORAGE):
            return f"{STORAGE} is no tmpfs: mount one"
        return super().missing() or package.lacks(package.tail_calls)

    def run(self, turn: Turn) -> Mapping[str, Samples]:
        functions: dict[str, dict[str, Any]] = {"alone": {}}  # and two of each other way
        for way in WAYS[:-1]:
            first = {"TRANSFER_WAY": way, "TRANSFER_NEXT": f"{way}-second"}
            functions |= {way: {"environment": first}, f"{way}-second": {}}
        found: dict[str, Samples] = {}
        with tempfile.TemporaryDirectory(dir=STORAGE, prefix="aetherless-transfer-") as folder:
            environment = {"TRANSFER_FOLDER": folder}
            with self.served(max_instances=1, environment=environment, functions=functions) as one:
                for way in np.random.default_rng(turn.seed).permutation(WAYS).tolist():
                    found[way], _ = self.ask(one, turn, f"/function/{way}", way=way)
                prove_warm(one)
        alone_ns = np.median(found["alone"].durations_ns)
        for way in WAYS[:-1]:
            above_ns = float(np.median(found[way].durations_ns) - alone_ns)
            found[way] = saying(found[way], above_alone_ns=above_ns)
        return found


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
        trial = Transfers(
            f"transfer:bytes={transfer_size_bytes}", samples=SAMPLES[transfer_size_bytes]
        )
        beside = {other: (trial, other) for other in WAYS[WAYS.index(way) + 1 :]}
        return row(trial, "transfer", f"{trial.size}_{way}", way, beside=beside)
