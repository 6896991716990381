"""What the ways to a handler cost: the same noop function, asked in three ways.

- `aetherless`: through the gateway, and shared memory to a Python handler.
- `aetherless_proxied`: through the gateway, which passes the request on as HTTP to an executable.
- `uvicorn`: the executable's own server, directly: no gateway.

The overhead of the handler protocol of the framework in Rust. Against uvicorn it is that of the
gateway and of what lies behind it; that of the proxied kind against the first is what HTTP costs in
place of shared memory. `ratio_to_...` give it as a ratio, `rounds` as a difference of medians.

Timed, in the asker's process: from when a request is handed to the kernel until its whole answer is
there, one request at a time over a kept connection, the instance warm. Outside: starting,
connecting, checking. Each round asks all three one after the other, in another order.
"""

from __future__ import annotations

from benchmarks.experiments.base import Case, Trial
from benchmarks.experiments.side_by_side import SideBySide

PLATFORMS = ("aetherless", "aetherless_proxied", "uvicorn")

TRIALS: list[Trial] = [
    SideBySide(
        "protocol_noop",
        [
            Case(
                experiment="protocol",
                workload="noop",
                variant=platform,
                platform=platform,
                beside=PLATFORMS[at + 1 :],
            )
            for at, platform in enumerate(PLATFORMS)
        ],
        "empty",
        200,
    )
]
QUICK: tuple[str, ...] = ()
