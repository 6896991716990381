"""interpreter: a fresh interpreter that runs the suite's own worker; nothing of the package.

What no commit of the package can change: the control beside `spawn`.
"""

from __future__ import annotations

import sys

from benchmarks.starts._launched import Speaking
from benchmarks.starts.base import Function

_PROGRAM = "from time import monotonic_ns; up = monotonic_ns(); from worker import main; main(up)"


def program(function: Function) -> list[str]:
    """The command of an instance."""
    return [sys.executable, "-P", "-c", _PROGRAM, *function.arguments()]


class Interpreter(Speaking):
    """A fresh interpreter for each instance."""

    name = "interpreter"
    count = 5
    tracking = quick = True

    def _prepare(self) -> None:
        super()._prepare()
        self.command = program(self.function)
