"""The servers beside each other: they end with the one who measures them, however that ends."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

import psutil
import pytest

from benchmarks.servers import SERVERS, server

ROOT = Path(__file__).resolve().parents[2]
WATCHDOG_S = 100
MEASURES = """
    import sys
    from benchmarks.servers import server
    with server(sys.argv[1])("noop") as one:
        assert one.status("GET", one.path) == 200
        print(one.pid, flush=True)
        sys.stdin.read()
"""


@pytest.mark.parametrize("name", sorted(SERVERS))
def test_a_server_ends_with_a_killed_measurement(name: str) -> None:
    if (reason := server(name).missing()) is not None:
        pytest.skip(reason)
    with tempfile.TemporaryDirectory() as folder:
        with subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(MEASURES), name],
            cwd=ROOT, env={**os.environ, "TMPDIR": folder},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        ) as measuring:  # fmt: skip
            assert measuring.stdout is not None
            served = psutil.Process(int(measuring.stdout.readline()))
            family = [served, *served.children(recursive=True)]
            measuring.kill()
        _, alive = psutil.wait_procs(family, timeout=WATCHDOG_S)
        for process in alive:
            process.kill()
    assert not alive
