"""Chains of 2, 4 and 8 functions with 1 KiB, over shared memory and by HTTP hops.

STeLLAR's chains (Ustiugov et al., IISWC 2021), which hand a payload from function to function.

- `tail`: a function's answer names the next one (`x-aether-next`), and the runtime hands it on
  through shared memory; nobody waits but the client.
- `http`: each function asks the next one through the gateway, over a connection that it keeps, with
  the standard library's client, and waits for its answer. This is how functions call each other
  where the platform does not help.

Each function has one instance, a process of its own, warm by the runtime's metrics: the answer
tells that of the last one only. Each function adds one to a count in the body, so that an answer
proves how many took part.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks import package
from benchmarks.experiments._linked import ask_first, prove_warm
from benchmarks.experiments.base import _Experiment, _Requests, row, short
from benchmarks.harness.row import Row
from benchmarks.harness.samples import Samples
from benchmarks.harness.session import Turn
from benchmarks.servers.aetherless import Aetherless
from benchmarks.servers.base import HOST
from benchmarks.workloads.registry import workload

WORKLOAD = workload("chain")
SIZE = "bytes=1024"
KINDS = ("tail", "http")
SAMPLES = 60


@dataclass(frozen=True)
class Chained(_Requests):
    """A chain of so many functions, of one kind."""

    kind: str
    functions: int
    workload, platform = WORKLOAD.name, Aetherless.name
    label = "chain of {functions} by {kind}"

    @property
    def turn_s(self) -> float:  # type: ignore[override]
        """As `Trial.turn_s`."""
        return 0.35 + 0.08 * self.functions

    def missing(self) -> str | None:
        """As `Trial.missing`."""
        return super().missing() or package.lacks(package.tail_calls)

    def run(self, turn: Turn) -> Mapping[str, Samples]:
        """As `Trial.run`."""
        with _Functions(self.kind, self.functions) as one:
            samples = ask_first(
                one, "f0", WORKLOAD.name, SIZE, turn.count(SAMPLES), turn.seed,
                {"functions": self.functions},
            )  # fmt: skip
            prove_warm(one)
        return {"": samples}


class _Functions(Aetherless):
    """The runtime with a chain: f0, f1, ..."""

    def __init__(self, kind: str, count: int) -> None:
        super().__init__(
            WORKLOAD.module,
            max_instances=1,
            memory_limit_mb=WORKLOAD.memory_mb,
            imports=list(WORKLOAD.imports),
            functions={
                f"f{at}": {"environment": {"CHAIN_NEXT": f"f{at + 1}"} if at < count - 1 else {}}
                for at in range(count)
            },
        )
        self._kind = kind

    def command(self) -> list[str]:
        """As `Server.command`: the port is known by now."""
        address = f"http://{HOST}:{self.port}"
        self.function["environment"] = {"CHAIN_WAY": self._kind, "CHAIN_URL": address}
        return super().command()


class _Chain(_Experiment):
    """What does a request cost that passes through so many functions?

    Timed in the client's process: from handing the request to the kernel until the whole answer of
    the chain is there, one request at a time over a kept connection. Outside: starting, the first
    requests, connecting, comparing.
    """

    param_names = ("kind", "functions")
    tracking = (KINDS[:1], (8,))
    study = (KINDS, (2, 4, 8))

    def row(self, kind: str, functions: int) -> Row:
        """As `_Suite.row`."""
        variant = f"{short(SIZE)}_{kind}_{functions}"
        beside = {} if kind == KINDS[0] else {KINDS[0]: (Chained(KINDS[0], functions), "")}
        trial = Chained(kind, functions)
        return row(trial, "", "chain", WORKLOAD.name, variant, beside=beside)
