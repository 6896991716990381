"""010.sleep: a fixed service time without work, so that queues can be calculated.

Source: SeBS (github.com/spcl/serverless-benchmarks), 000.microbenchmarks/010.sleep: sleeps as
long as the request says, and answers with that. SeBS counts in s (1, 100, 1000); here it is ms.
The kernel wakes a sleeper some 50 us late.
"""

from __future__ import annotations

import json
import time
from typing import Any

NAME = "010.sleep"


def handler(event: Any, context: Any) -> Any:
    """Sleeps for `ms` milliseconds."""
    asked = json.loads(event.get("body") or '{"ms": 0}')  # without a body: whether it is up
    time.sleep(asked["ms"] / 1000)
    return {"result": asked["ms"], "seed": asked.get("seed")}


def request(size: int, seed: int) -> tuple[str, str, dict[str, str], bytes]:
    """`size` is in ms. The seed comes back: answers that were mixed up are seen."""
    body = json.dumps({"ms": size, "seed": seed}).encode()
    return "POST", "/", {"content-type": "application/json"}, body


def expected(size: int, seed: int) -> dict[str, int]:
    """The time and the seed."""
    return {"result": size, "seed": seed}


def fault(expected: dict[str, int], body: bytes) -> str | None:
    """Whether it is that."""
    answer = json.loads(body)
    return None if answer == expected else f"{str(answer)[:80]}, not {expected}"
