"""The container that serves is one, and goes with whoever has made it."""

from __future__ import annotations

import glob
import json
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import psutil
import pytest

from tests.servers.support import Client, able, listens
from tests.start.support import gone
from tests.ways.support import left, state

FUNCTION = """
import os
def handler(event, context):
    try:
        open(__file__, "a").close()
        written = True
    except OSError:
        written = False
    spaces = {kind: os.readlink(f"/proc/self/ns/{kind}") for kind in
              ("pid", "mnt", "ipc", "uts", "net")}
    return {"pid": os.getpid(), "spaces": spaces, "written": written,
            "group": open("/proc/self/cgroup").read()}
"""

MEASURES = """
    import time
    from benchmarks.servers import server
    with server("container")("noop") as one:
        print(one.port, one.pid, flush=True)
        time.sleep(600)
    """


def test_the_function_is_in_a_container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "looks_around.py").write_text(FUNCTION)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    one = able("container")("noop")
    one.handler = "looks_around:handler"
    with one, Client(one) as client:
        _, _, body = client.ask("GET", "/", {}, b"")
    found = json.loads(body)
    assert found["pid"] == 1
    assert not found["written"]
    assert "aetherless-" in found["group"]
    same = {
        kind for kind, it in found["spaces"].items() if it == os.readlink(f"/proc/self/ns/{kind}")
    }
    assert same == {"net"}


def test_it_goes_with_the_process_that_measures() -> None:
    able("container")
    before = state()
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(MEASURES)], stdout=subprocess.PIPE, text=True
    ) as measures:
        assert measures.stdout is not None
        port, pid = map(int, measures.stdout.readline().split())
        family = psutil.Process(pid).children(recursive=True)
        assert listens(port)
        assert family
        measures.kill()
    assert all(gone(each) for each in (pid, *(process.pid for process in family)))
    # What the server itself writes into, with nobody to remove it.
    for folder in glob.glob(f"{os.environ['TMPDIR']}/aetherless-server-*"):
        shutil.rmtree(folder)
    assert not left(before)
    assert not listens(port)
