"""interpreter: a fresh interpreter that runs the suite's own worker; nothing of the package.

What no commit of the package can change: the control beside `spawn`.
"""

from __future__ import annotations

from benchmarks.starts._launched import Speaking


class Interpreter(Speaking):
    """A fresh interpreter for each instance."""

    name = "interpreter"
    count = 5
    tracking = quick = True
