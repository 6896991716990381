"""010.sleep: a fixed service time without work, so that queues can be calculated.

Source: SeBS (github.com/spcl/serverless-benchmarks), 000.microbenchmarks/010.sleep: sleeps as
long as the request says, and answers with that. SeBS counts in s (1, 100, 1000); here it is ms.
The kernel wakes a sleeper some 50 us late.
"""

from __future__ import annotations

import json
import time
from typing import Any

WORKLOAD = {
    "name": "010.sleep",
    "variants": ("ms=1", "ms=10", "ms=100", "ms=300"),
    "imports": ("json",),
}


def handler(event: Any, context: Any) -> Any:
    """Sleeps for `ms` milliseconds."""
    asked = json.loads(event.get("body") or '{"ms": 0}')  # without a body: whether it is up
    time.sleep(asked["ms"] / 1000)
    return {"result": asked["ms"], "seed": asked.get("seed")}


def expected(size: int, seed: int) -> dict[str, int]:
    """The time and the seed."""
    return {"result": size, "seed": seed}
