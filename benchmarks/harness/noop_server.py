"""The peer of the load generator's own measurements: `noop_server.c`, which answers at once."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

from benchmarks.harness.c_program import compiled

SOURCE = Path(__file__).with_name("noop_server.c")


@contextlib.contextmanager
def noop_server(cpu: int | None = None) -> Iterator[int]:
    """Serves on 127.0.0.1 while inside; gives the port.

    Args:
        cpu: the processor that it is pinned to, None for any.

    Raises:
        NotImplementedError: no C compiler.
        RuntimeError: it did not come up.
    """
    command = [compiled(SOURCE), str(-1 if cpu is None else cpu)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout and server.stderr
        line = server.stdout.readline()
        if not line:
            raise RuntimeError(f"noop_server: {server.stderr.read().strip()}")
        yield int(line)  # then its standard input is closed, by which it ends
