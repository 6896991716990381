"""AWS Lambda's own Python runtime client behind a Runtime API and an HTTP face of ours.

What is AWS's: `awslambdaric`, started as in AWS's Python images, one process for each request that
is under way, with AWS's public Runtime API between it and what is in front, and events of AWS's
HTTP API. What is ours: what is in front (`lambda_front`), one process with one event loop, which
stands for the services that AWS has there and is far less than they are. There are no micro virtual
machines, no placement, and no network beyond the loopback: nothing of this is a figure of AWS
Lambda, and what it costs is the least that its client and its protocol cost.

All instances are there before the first request; whoever finds none free waits in order. One that
has ended is replaced, as at AWS; its request is answered with 500, as are exceptions.
`AWS_EXECUTION_ENV` is not set: with it awslambdaric has a thread made for each request from Python
3.12 on.
"""

from __future__ import annotations

import sys

from benchmarks.servers.base import ADAPTERS, Server, not_installed
from benchmarks.starts import lambda_runtime


class LambdaRuntime(Server):
    """As many `awslambdaric` as it is to take requests at a time."""

    name = "lambda_runtime"
    settings = lambda_runtime.SETTINGS

    @classmethod
    def missing(cls) -> str | None:
        """As `Server.missing`."""
        return lambda_runtime.LambdaRuntime.missing() or not_installed(
            "httptools", "orjson", "uvloop"
        )

    def command(self) -> list[str]:
        """As `Server.command`."""
        program = str(ADAPTERS / "lambda_front.py")
        return [sys.executable, "-P", program, self.handler, str(self.concurrency)]
