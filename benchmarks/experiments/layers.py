"""Where the time of a warm request goes: client, gateway, queue, transport, function.

The runtime stamps each request (`Server-Timing`): `gateway` from its first byte until it is there
whole, and from its answer until the head of that is made; `queue` until an instance is given it;
`transport` through shared memory, there and back; `function` inside the handler. `client` is what
is left of the latency that the client sees: the client itself, the gateway's writing, the kernel's
sockets, and the switches between the processes. The five add up to `total` in each request, not in
their medians.
"""

from __future__ import annotations

from benchmarks.experiments._one_at_a_time import STAMPED, back_to_back
from benchmarks.experiments.base import _Experiment, asked, row, short
from benchmarks.harness.row import Row

LAYERS = ("client", *STAMPED, "total")


class _Layers(_Experiment):
    """Where does the time of a warm request go?

    Requests one after the other over one connection; the runtime's own stamps of each, and what is
    left of its latency by the client's clock. `total` is that latency.
    """

    param_names = ("workload", "layer")
    tracking = (("noop:empty",), ("gateway", "transport"))
    study = (("noop:empty", "echo:bytes=65536", "110.dynamic-html:items=1000"), LAYERS)
    quick = (("noop:empty",), LAYERS)

    def row(self, workload: str, layer: str) -> Row:
        """As `_Suite.row`."""
        name, size = asked(workload)
        part = "" if layer == "total" else layer
        variant = f"{short(size)}_{layer}"
        return row(back_to_back(name, size), part, "layers", name, variant, layer=layer)
