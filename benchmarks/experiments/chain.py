"""Chains of 2, 4 and 8 functions with 1 KiB, over shared memory and by HTTP hops.

STeLLAR's chains (Ustiugov et al., IISWC 2021), which hand a payload from function to function.

- `tail`: a function's answer names the next one (`x-aether-next`), and the runtime hands it on
  through shared memory; nobody waits but the client.
- `http`: each function asks the next one through the gateway, over a connection that it keeps, with
  the standard library's client, and waits for its answer. This is how functions call each other
  where the platform does not help.

Both ways are served by the same runtime at the same time, and asked one right after the other, in
an order drawn from the seed. Each function has one instance, a process of its own, warm by the
runtime's metrics: the answer tells that of the last one only. Each function adds one to a count in
the body, so that an answer proves how many took part.

Timed, in the asker's process: from when the request is handed to the kernel until the whole answer
of the chain is there, one request at a time over a kept connection. Outside: starting, the first
requests, connecting, comparing.
"""

from __future__ import annotations

import numpy as np

from benchmarks.experiments.base import Case, Outcome, Trial
from benchmarks.experiments.linked import ask_first, prove_warm
from benchmarks.servers.aetherless import Aetherless
from benchmarks.servers.base import HOST
from benchmarks.workloads.registry import workload

WORKLOAD = workload("chain")
SIZE = "bytes=1024"
WAYS = ("tail", "http")
COUNTS = (2, 4, 8)


class Chain(Trial):
    """A chain of so many functions, both ways.

    Args:
        count: of functions.
    """

    samples, quick_samples = 200, 60

    def __init__(self, count: int) -> None:
        self.name, self._count = f"chain_{count}", count
        self.cases = tuple(
            Case(
                experiment="chain",
                workload=WORKLOAD.name,
                variant=self._variant(way),
                beside=() if way == "http" else (self._variant("http"),),
                more={"functions": count, "way": way},
            )
            for way in WAYS
        )

    def _variant(self, way: str) -> str:
        return f"{SIZE.replace('=', '')}_{way}_{self._count}"

    def missing(self) -> str | None:
        """As `Trial.missing`."""
        return WORKLOAD.missing()

    def run(self, samples: int, seed: int) -> dict[str, Outcome]:
        """As `Trial.run`."""
        outcomes = {}
        with _Chains(self._count) as one:
            for at in np.random.default_rng(seed).permutation(len(self.cases)):
                case = self.cases[at]
                outcomes[case.name] = ask_first(
                    one, f"{case.more['way']}0", case, SIZE, samples, seed,
                    {"functions": self._count},
                )  # fmt: skip
            prove_warm(one)
        return outcomes


class _Chains(Aetherless):
    """The runtime with a chain of each way: tail0, tail1, ..., http0, ..."""

    def __init__(self, count: int) -> None:
        super().__init__(
            WORKLOAD.module,
            max_instances=1,
            memory_limit_mb=WORKLOAD.memory_mb,
            imports=list(WORKLOAD.imports),
            functions={
                f"{way}{at}": {"environment": self._linked(way, at, count)}
                for way in WAYS
                for at in range(count)
            },
        )

    @staticmethod
    def _linked(way: str, at: int, count: int) -> dict[str, str]:
        return {"CHAIN_WAY": way} | ({"CHAIN_NEXT": f"{way}{at + 1}"} if at < count - 1 else {})

    def command(self) -> list[str]:
        """As `Server.command`: the port is known by now."""
        self.function["environment"] = {"CHAIN_URL": f"http://{HOST}:{self.port}"}
        return super().command()


TRIALS: list[Trial] = [Chain(count) for count in COUNTS]
QUICK = (TRIALS[0].name,)
