"""Invocation overhead against the size of the payload: echo from 1 KiB to 6 MiB.

SeBS's experiment "invocation-overhead" (Copik et al., Middleware 2021), whose payloads go up to the
6 MB that AWS Lambda allows. Request and answer both have the size. The runtime over shared memory
stands beside the kind that it proxies and beside the function inside uvicorn. The handler takes and
gives binary as base64, as Lambda's do, in all three; that is part of the time, and what else is
stands in `_one_at_a_time`.
"""

from __future__ import annotations

from benchmarks.experiments._one_at_a_time import back_to_back
from benchmarks.experiments.base import _Experiment, row
from benchmarks.harness.row import Row

REFERENCE = "aetherless"
SIZES = tuple(kib << 10 for kib in (1, 16, 64, 256, 1024, 4096, 6144))


class _Payload(_Experiment):
    """What does a warm echo of so many bytes cost, one request at a time?"""

    param_names = ("platform", "payload_size_bytes")
    tracking = ((REFERENCE, "aetherless_proxied"), (1 << 16,))
    study = ((REFERENCE, "aetherless_proxied", "uvicorn"), SIZES)

    def row(self, platform: str, payload_size_bytes: int) -> Row:
        """As `_Suite.row`."""
        size = f"bytes={payload_size_bytes}"
        reference = back_to_back("echo", size, REFERENCE), ""
        return row(
            back_to_back("echo", size, platform),
            "",
            "payload",
            "echo",
            f"bytes{payload_size_bytes}_{platform}",
            platform=platform,
            beside={} if platform == REFERENCE else {REFERENCE: reference},
        )
