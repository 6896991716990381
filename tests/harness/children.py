"""Functions that the tests run in fresh processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any


def echo(value: Any) -> Any:
    return value


def whereabouts() -> dict[str, Any]:
    return {"pid": os.getpid(), "cpus": sorted(os.sched_getaffinity(0)), "path": sys.path}


def noisy() -> str:
    print("standard output belongs to the function")
    return "kept apart"


def hang(pid_file: str) -> None:
    """Leaves its pid and that of a grandchild, then does not end."""
    grandchild = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    print("last words", file=sys.stderr, flush=True)
    part = Path(pid_file + ".part")
    part.write_text(f"{os.getpid()} {grandchild.pid}")
    part.rename(pid_file)
    time.sleep(600)


def crash() -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def fail(words: str) -> None:
    raise ValueError(words)


def lack(words: str) -> None:
    raise NotImplementedError(words)


def leave_behind(pid_file: str) -> str:
    """Ends, but for a process that holds all its descriptors, and one in a session of its own."""
    code = "import time; time.sleep(600)"
    pids = [
        subprocess.Popen([sys.executable, "-c", code], close_fds=False).pid,
        subprocess.Popen([sys.executable, "-c", code], start_new_session=True).pid,
    ]
    child = os.fork()
    if child == 0:
        os.setsid()
        time.sleep(600)
    Path(pid_file).write_text(" ".join(map(str, [*pids, child])))
    return "left"


def hold(pid_file: str) -> None:
    """Makes what the kernel does not put away, and does not end."""
    import multiprocessing
    import tempfile

    from aetherless_py.shm import RingBuffer

    with RingBuffer.create(4096) as ring, tempfile.NamedTemporaryFile() as file:
        queue: Any = multiprocessing.Queue()
        Path(pid_file).write_text(f"{ring.name} {file.name}")
        queue.get()
