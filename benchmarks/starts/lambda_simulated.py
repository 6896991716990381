"""lambda_simulated: a fixed sleep before a fresh interpreter, in the name of AWS Lambda.

It measures nothing of AWS: what comes out is what was put in, and an `interpreter`. It enters no
comparison; `lambda_runtime` has AWS's own runtime client.
"""

from __future__ import annotations

import time

from benchmarks.starts._launched import LaunchedInstance, Speaking

INIT_S = 0.25  # made up, as such constants are; no measurement


class LambdaSimulated(Speaking):
    """What the platform would do is a sleep of `INIT_S`; then a program as `interpreter`'s."""

    name = "lambda_simulated"
    simulated = True

    def _launch(self) -> LaunchedInstance:
        time.sleep(INIT_S)
        return super()._launch()
