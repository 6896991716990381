"""Chains of 2, 4 and 8 functions with 1 KiB, over shared memory and by HTTP hops.

STeLLAR's chains (Ustiugov et al., IISWC 2021), which hand a payload from function to function.

- `tail`: a function's answer names the next one (`x-aether-next`), and the runtime hands it on
  through shared memory; nobody waits but the client.
- `http`: each function asks the next one through the gateway, over a connection that it keeps, with
  the standard library's client, and waits for its answer. This is how functions call each other
  where the platform does not help.

Each function has one instance, a process of its own, and adds one to a count in the body, so that
an answer proves how many took part.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from benchmarks import package
from benchmarks.experiments._one_at_a_time import OneAtATime, prove_warm
from benchmarks.experiments.base import _Experiment, row
from benchmarks.harness.row import Row
from benchmarks.harness.samples import Samples
from benchmarks.harness.session import Turn
from benchmarks.servers.aetherless import Aetherless
from benchmarks.servers.base import HOST, Server

KINDS = ("tail", "http")


@dataclass(frozen=True, kw_only=True)
class Chained(OneAtATime):
    """A chain of so many functions, of one kind."""

    workload: str = "chain:bytes=1024"
    samples: int = 60
    warmup: int = 5  # the first one brings all instances up
    kind: str
    functions: int
    label = "chain of {functions} by {kind}"

    def missing(self) -> str | None:
        return super().missing() or package.lacks(package.tail_calls)

    def run(self, turn: Turn) -> Mapping[str, Samples]:
        with self.chain() as one:
            samples, _ = self.ask(one, turn, "/function/f0", functions=self.functions)
            prove_warm(one)
        return {"": samples}

    def chain(self) -> Server:
        """The runtime with the functions f0, f1, ..., not yet started."""
        behind = [{"CHAIN_NEXT": f"f{at}"} for at in range(1, self.functions)]
        return self.served(
            kind=_Told,
            max_instances=1,
            environment={"CHAIN_WAY": self.kind},
            functions={f"f{at}": {"environment": each} for at, each in enumerate([*behind, {}])},
        )


class _Told(Aetherless):
    """The runtime, whose functions are told where it listens."""

    def command(self) -> list[str]:
        self.function["environment"]["CHAIN_URL"] = f"http://{HOST}:{self.port}"  # known by now
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
        trial = Chained(kind=kind, functions=functions)
        beside = {} if kind == "tail" else {"tail": (replace(trial, kind="tail"), "")}
        return row(trial, "chain", f"{trial.size}_{kind}_{functions}", beside=beside)
