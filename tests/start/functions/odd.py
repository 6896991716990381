"""A function that does what it is told; what the tests of starting start."""

from __future__ import annotations

import gc
import json
import os
import random
import ssl
import subprocess
import sys
import tempfile
import time
import uuid
from typing import Any

LOADED_IN = os.getpid()


def echo(request: bytes) -> bytes:
    return request


def tell(_request: bytes) -> bytes:
    """Everything that two instances must not have in common, and what they have of the machine."""
    found: dict[str, Any] = {
        "random": random.random(),
        "ssl": ssl.RAND_bytes(8).hex(),
        "uuid4": str(uuid.uuid4()),
        "uuid1": str(uuid.uuid1()),
        "temporary": next(tempfile._get_candidate_names()),  # type: ignore[attr-defined]
        "id": os.environ["AETHER_INSTANCE_ID"],
        "pid": os.getpid(),
        "monotonic_ns": time.monotonic_ns(),
        "loaded_in": LOADED_IN,
    }
    if "numpy" in sys.modules:
        import numpy as np

        found["numpy"] = float(np.random.random())
    return json.dumps(found).encode()


def frozen(_request: bytes) -> bytes:
    """How many objects the collector does not look at."""
    return b"%d" % gc.get_freeze_count()


def fill(request: bytes) -> bytes:
    """Takes so many MB, here and there."""
    kept = [bytearray(1000 * (1 + at % 50)) for at in range(int(request) * 40)]
    return b"filled" if kept else b""


_asked = 0


def count(_request: bytes) -> bytes:
    """How often this instance was asked."""
    global _asked
    _asked += 1
    return b"%d" % _asked


def do(request: bytes) -> bytes:
    """One of many misdeeds, by name."""
    what, _, argument = request.decode().partition(" ")
    return _MISDEEDS[what](argument)


def _exit(argument: str) -> bytes:
    sys.exit(int(argument))


def _crash(_argument: str) -> bytes:
    os.kill(os.getpid(), 11)
    return b""


def _raise(argument: str) -> bytes:
    raise ValueError(argument)


def _hang(_argument: str) -> bytes:
    while True:
        time.sleep(60)


def _print(argument: str) -> bytes:
    line = b"x" * 65535 + b"\n"
    for _ in range(int(argument) >> 16):
        os.write(1, line)
    os.write(2, b"the end")
    return b"printed"


def _fork(_argument: str) -> bytes:
    """A child, and a grandchild in a session of its own whose parent ends."""
    code = "import time; time.sleep(600)"
    child = subprocess.Popen([sys.executable, "-c", code])
    daemon = (
        "import os, sys\nif os.fork(): os._exit(0)\nos.setsid()\n"
        "print(os.getpid(), flush=True)\nos.close(1)\n" + code
    )
    with subprocess.Popen([sys.executable, "-c", daemon], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        grandchild = int(parent.stdout.readline())
    return json.dumps([child.pid, grandchild]).encode()


def _open(_argument: str) -> bytes:
    return json.dumps(sorted(int(fd) for fd in os.listdir("/proc/self/fd"))).encode()


_MISDEEDS = {
    "exit": _exit,
    "crash": _crash,
    "raise": _raise,
    "hang": _hang,
    "print": _print,
    "fork": _fork,
    "open": _open,
}
