"""http_handler: a fresh interpreter with an HTTP server of the standard library.

The program follows the protocol of `executable`, by which it is started.
"""

from __future__ import annotations

import os
import sys

from aetherless_py.start.base import Function
from aetherless_py.start.executable import Executable
from benchmarks.starts.child import FUNCTIONS

PROGRAM = os.path.join(FUNCTIONS, "for_http_server.py")


class HttpHandler(Executable):
    """`http.server` in a fresh interpreter for each instance."""

    name = "http_handler"
    takes = "handler"

    def _command_of(self, function: Function) -> list[str]:
        return [sys.executable, "-P", PROGRAM, *function.arguments()]
