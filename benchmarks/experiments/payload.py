"""Invocation overhead against the size of the payload: echo from 1 KiB to 6 MiB.

SeBS's experiment "invocation-overhead" (Copik et al., Middleware 2021), whose payloads go up to the
6 MB that AWS Lambda allows. Request and answer both have the size. The runtime over shared memory
stands beside the kind that it proxies and beside the function inside uvicorn, each round all three
one after the other in another order.

Timed, in the asker's process: from when a request is handed to the kernel until its whole answer is
there, one request at a time over a kept connection, the instance warm. The handler takes and gives
binary as base64, as Lambda's do, in all three; that is part of the time. Outside: starting,
connecting, comparing.
"""

from __future__ import annotations

from benchmarks.experiments.base import Case, Trial
from benchmarks.experiments.side_by_side import SideBySide

PLATFORMS = ("aetherless", "aetherless_proxied", "uvicorn")
# Of each round: the large ones take tens of milliseconds.
SAMPLES = {
    1 << 10: 200,
    16 << 10: 200,
    64 << 10: 200,
    256 << 10: 100,
    1 << 20: 50,
    4 << 20: 15,
    6 << 20: 10,
}


def _trial(size_bytes: int, samples: int) -> SideBySide:
    prefix = f"bytes{size_bytes}"
    cases = [
        Case(
            experiment="payload",
            workload="echo",
            variant=f"{prefix}_{platform}",
            platform=platform,
            beside=tuple(f"{prefix}_{other}" for other in PLATFORMS[at + 1 :]),
        )
        for at, platform in enumerate(PLATFORMS)
    ]
    return SideBySide(f"payload_echo_{prefix}", cases, f"bytes={size_bytes}", samples)


TRIALS: list[Trial] = [_trial(*each) for each in SAMPLES.items()]
QUICK: tuple[str, ...] = ()
