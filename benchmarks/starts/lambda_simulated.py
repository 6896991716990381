"""lambda_simulated: a fixed sleep before a fresh interpreter, in the name of AWS Lambda.

It measures nothing of AWS: what comes out is what was put in, and a `spawn`. It enters no
comparison; `lambda_runtime` has AWS's own runtime client.
"""

from __future__ import annotations

import time
from typing import ClassVar

from aetherless_py.start.base import Function
from aetherless_py.start.instance import Instance
from aetherless_py.start.spawn import Spawn

INIT_S = 0.25  # made up, as such constants are; no measurement


class LambdaSimulated(Spawn):
    """What the platform would do is a sleep of `INIT_S`; then `spawn`."""

    name = "lambda_simulated"
    simulated: ClassVar[bool] = True

    def _start(self, function: Function, asked_ns: int) -> Instance:
        time.sleep(INIT_S)
        return super()._start(function, asked_ns)
