"""A function that starts processes, and holds special memory, when it is imported."""

from __future__ import annotations

import mmap
import subprocess
import sys

_SLEEP = "import time; time.sleep(600)"
_helper = subprocess.Popen([sys.executable, "-c", _SLEEP])
_forks = (
    "import os, sys\nif os.fork(): os._exit(0)\nos.setsid()\n"
    "print(os.getpid(), flush=True)\nos.close(1)\n"
)
_daemon = subprocess.run(
    [sys.executable, "-c", _forks + _SLEEP], stdout=subprocess.PIPE, text=True, check=True
).stdout.strip()
_MADV_WIPEONFORK = 18
_memory = mmap.mmap(-1, mmap.PAGESIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
_memory.madvise(_MADV_WIPEONFORK)
_memory[:6] = b"secret"


def helper(_request: bytes) -> bytes:
    return b"%d" % _helper.pid


def daemon(_request: bytes) -> bytes:
    return _daemon.encode()


def secret(_request: bytes) -> bytes:
    return _memory[:6]
