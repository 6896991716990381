"""What the ways to a handler cost: the same noop function, asked in three ways.

- `aetherless`: through the gateway, and shared memory to a Python handler.
- `aetherless_proxied`: through the gateway, which passes the request on as HTTP to an executable.
- `uvicorn`: the executable's own server, directly: no gateway.

The overhead of the handler protocol of the framework in Rust: uvicorn's `ratio_to_aetherless` tells
that of the gateway and of what lies behind it, the proxied kind's what HTTP costs in place of
shared memory. What is timed stands in `_one_at_a_time`.
"""

from __future__ import annotations

from benchmarks.experiments._one_at_a_time import back_to_back
from benchmarks.experiments.base import _Experiment, row
from benchmarks.harness.row import Row

REFERENCE = "aetherless"


class _Protocol(_Experiment):
    """What does each way to a handler cost a warm noop, one request at a time?"""

    param_names = ("platform",)
    study = ((REFERENCE, "aetherless_proxied", "uvicorn"),)

    def row(self, platform: str) -> Row:
        """As `_Suite.row`."""
        reference = back_to_back("noop", "empty", REFERENCE), ""
        return row(
            back_to_back("noop", "empty", platform),
            "",
            "protocol",
            "noop",
            platform,
            platform=platform,
            beside={} if platform == REFERENCE else {REFERENCE: reference},
        )
