"""Where the time of a warm request goes: client, gateway, queue, transport, function.

The runtime stamps each request (`Server-Timing`): `gateway` from its first byte until it is there
whole, and from its answer until the head of that is made; `queue` until an instance is given it;
`transport` through shared memory, there and back; `function` inside the handler. `client` is what
is left of the latency that the client sees: the client itself, the gateway's writing, the kernel's
sockets, and the switches between the processes. The five add up to `total` in each request, not in
their medians.
"""

from __future__ import annotations

from benchmarks.experiments.asker import Asking, ask
from benchmarks.experiments.base import Case, Outcome, Trial
from benchmarks.servers.aetherless import Aetherless
from benchmarks.workloads.registry import workload

STAMPED = ("gateway", "queue", "transport", "function")
LAYERS = ("client", *STAMPED, "total")


class Layers(Trial):
    """Requests one after the other over one connection; a case a layer.

    Args:
        name: of the workload.
        size: of it.
    """

    samples, quick_samples = 200, 40

    def __init__(self, name: str, size: str) -> None:
        self._workload, self._size = workload(name), size
        self.name = f"layers_{name}_{size.replace('=', '')}"
        self.cases = tuple(
            Case(
                experiment="layers",
                workload=name,
                variant=f"{size.replace('=', '')}_{layer}",
                more={"layer": layer},
            )
            for layer in LAYERS
        )

    def missing(self) -> str | None:
        """As `Trial.missing`."""
        return self._workload.missing()

    def run(self, samples: int, seed: int) -> dict[str, Outcome]:
        """As `Trial.run`."""
        with Aetherless(self._workload.module, memory_limit_mb=self._workload.memory_mb) as one:
            found = ask(
                Asking(
                    port=one.port, path=one.path, name=self._workload.name, size=self._size,
                    count=samples, seed=seed, state="warm",
                )
            )  # fmt: skip
        by_layer = {name: [each[name] for each in found["timings"]] for name in STAMPED}
        by_layer["total"] = found["latency_ns"]
        by_layer["client"] = [
            total - sum(each[name] for name in STAMPED)
            for total, each in zip(found["latency_ns"], found["timings"], strict=True)
        ]
        return {
            case.name: Outcome(
                by_layer[case.more["layer"]],
                starts=found["starts"],
                payload_size_bytes=found["payload_size_bytes"],
                recollected=found["recollected"],
            )
            for case in self.cases
        }


TRIALS: list[Trial] = [
    Layers("noop", "empty"),
    Layers("echo", "bytes=65536"),
    Layers("110.dynamic-html", "items=1000"),
]
QUICK = (TRIALS[0].name,)
