"""Removing what is left of containers; `main` does so when all else was killed."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.harness.processes import kill_marked

# The variable by which the processes of all containers of one maker are known.
MARK = "AETHER_CONTAINERS"
_TIMEOUT_S = 30.0
_PAUSE_S = 0.005


def remove(runtime: str, state: str, container_id: str) -> None:
    """Removes a container with its processes and cgroups, in whatever state it is.

    Args:
        runtime: the OCI runtime's path.
        state: the folder of its `--root`.
        container_id: of the container; nothing happens where nothing is left.
    """
    if os.path.exists(os.path.join(state, container_id)):
        with contextlib.suppress(subprocess.TimeoutExpired):
            subprocess.run(
                [runtime, "--root", state, "delete", "-f", container_id],
                capture_output=True,
                timeout=_TIMEOUT_S,
            )
        # A container of which the runtime had written only half is no container to it.
        shutil.rmtree(os.path.join(state, container_id), ignore_errors=True)
    until = time.monotonic() + _TIMEOUT_S
    for group in list(cgroups(container_id)):
        while group.exists() and time.monotonic() < until:
            _empty(group)
            try:
                group.rmdir()
            except FileNotFoundError:
                break
            except OSError:  # its processes are still ending
                time.sleep(_PAUSE_S)


def cgroups(beginning: str) -> Iterator[Path]:
    """The cgroups whose names begin so: one, or with cgroups of version 1 one a controller."""
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, mounted, kind, *_ = line.split(" ")
        # Only in the kernel's own files processes may be believed to be those of a cgroup.
        if kind in ("cgroup", "cgroup2"):
            yield from Path(mounted).glob(f"{beginning}*")


def _empty(group: Path) -> None:
    with contextlib.suppress(OSError, ValueError):
        for pid in (group / "cgroup.procs").read_text().split():
            os.kill(int(pid), signal.SIGKILL)


def main(runtime: str, folder: str, name: str) -> None:
    """Waits until nobody holds the other end of the standard input; then removes everything.

    Args:
        runtime: the OCI runtime's path.
        folder: of their maker, which has the state in `state`.
        name: with which the containers' names begin, and the mark of their processes.
    """
    print("watching", flush=True)
    sys.stdin.buffer.read()
    kill_marked(f"{MARK}={name}")
    state = os.path.join(folder, "state")
    left = {group.name for group in cgroups(f"{name}-")}
    with contextlib.suppress(FileNotFoundError):
        left |= set(os.listdir(state))
    for container_id in left:
        remove(runtime, state, container_id)
    shutil.rmtree(folder, ignore_errors=True)
