"""Real second processes for the ring's tests: fresh interpreters that run a piece of code."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
from functools import partial
from types import TracebackType

from benchmarks.harness.processes import die_with_parent

PREAMBLE = """
import os, sys, time
from aetherless_py import errors
from aetherless_py.shm import RingBuffer
ring = RingBuffer.attach(sys.argv[1]) if len(sys.argv) > 1 and sys.argv[1] else None
def say(text):
    sys.stdout.write(text + "\\n"); sys.stdout.flush()
"""


def _prepare(parent: int) -> None:
    # A shell's background job ignores SIGINT, and so would all that it starts.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    die_with_parent(parent)  # which the watchdog may end


class Child:
    """A fresh interpreter that runs `code` with `ring` attached and `say(line)` at hand."""

    def __init__(self, code: str, name: str = "", *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", PREAMBLE + textwrap.dedent(code), name, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=partial(_prepare, os.getpid()),
        )

    def line(self) -> str:
        """The next line that the child says; '' when it ended without one."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def finish(self, timeout_s: float = 60) -> str:
        """Waits for a good end; returns what else the child said."""
        out, err = self.process.communicate(timeout=timeout_s)
        assert self.process.returncode == 0, f"exit {self.process.returncode}: {err}"
        return out

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(timeout=60)

    def __enter__(self) -> Child:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            assert pipe is not None
            with contextlib.suppress(BrokenPipeError):
                pipe.close()
        self.process.wait(timeout=60)
