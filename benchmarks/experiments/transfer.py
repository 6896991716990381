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

Timed, in the asker's process: from when the request is handed to the kernel until the whole answer
is there, one request at a time over a kept connection; making the bytes and their digest are in it,
and the same in all three, as is taking and giving binary as base64 in `inline`, as Lambda's
handlers do. Outside: starting, the first requests, connecting, comparing.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.experiments.base import Case, Outcome, Trial
from benchmarks.experiments.linked import ask_first, prove_warm
from benchmarks.harness import page_cache
from benchmarks.servers.aetherless import Aetherless
from benchmarks.workloads.registry import workload

WORKLOAD = workload("transfer")
WAYS = ("inline", "storage", "alone")
STORAGE = Path("/dev/shm")
# Of each round: the large ones take tens of milliseconds.
SAMPLES = {1 << 10: 200, 16 << 10: 200, 64 << 10: 200, 256 << 10: 100, 1 << 20: 40, 4 << 20: 12}


class Transfer(Trial):
    """So many bytes, in all ways.

    Args:
        size_bytes: of what is handed on.
        samples: of each round.
    """

    def __init__(self, size_bytes: int, samples: int) -> None:
        self.samples = self.quick_samples = samples
        self._size, self._prefix = f"bytes={size_bytes}", f"bytes{size_bytes}"
        self.name = f"transfer_{self._prefix}"
        self.cases = tuple(
            Case(
                experiment="transfer",
                workload=WORKLOAD.name,
                variant=f"{self._prefix}_{way}",
                beside=tuple(f"{self._prefix}_{other}" for other in WAYS[at + 1 :]),
                more={"transfer_size_bytes": size_bytes, "way": way},
            )
            for at, way in enumerate(WAYS)
        )

    def missing(self) -> str | None:
        """As `Trial.missing`."""
        if page_cache.is_behind(STORAGE):
            return f"{STORAGE} is no tmpfs: mount one"
        return WORKLOAD.missing()

    def run(self, samples: int, seed: int) -> dict[str, Outcome]:
        """As `Trial.run`."""
        outcomes = {}
        with (
            tempfile.TemporaryDirectory(dir=STORAGE, prefix="aetherless-transfer-") as folder,
            _transfers(folder) as one,
        ):
            for at in np.random.default_rng(seed).permutation(len(self.cases)):
                case = self.cases[at]
                outcomes[case.name] = ask_first(
                    one, case.more["way"], case, self._size, samples, seed,
                    {"way": case.more["way"]},
                )  # fmt: skip
            prove_warm(one)
        alone_ns = np.median(outcomes[self.cases[-1].name].samples_ns)
        for case in self.cases[:-1]:
            above_ns = np.median(outcomes[case.name].samples_ns) - alone_ns
            outcomes[case.name].more = {"above_alone_ns": float(above_ns)}
        return outcomes


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


TRIALS: list[Trial] = [Transfer(*each) for each in SAMPLES.items()]
QUICK: tuple[str, ...] = ()
