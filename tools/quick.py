"""The quick pass: the part of the suites that stands for the whole.

`python -m tools.quick` prints the arguments of `asv run` for it, quoted for a shell.

The ring: every operation at every payload size, from recorded samples; asv's own `time_*` are left
out, since cut short enough to be quick they mostly show asv's own cost. The other suites shorten
themselves where `AETHERLESS_QUICK` is 1.
"""

from __future__ import annotations

import os
import re
import shlex
import tempfile

from aetherless_py.start.readiness import LONGEST_PATH
from benchmarks import cold_start, e2e_latency, ipc

_COLD = "|".join(case.name for case in cold_start.QUICK)
_E2E = "|".join(map(re.escape, e2e_latency.QUICK))


def _ipc() -> str:
    calls, streams = ipc.quick_part(
        dict.fromkeys(ipc.ROUNDTRIP_METHODS, ipc.QUICK_SIZES),
        dict.fromkeys(ipc.STREAM_METHODS, ipc.QUICK_STREAM_SIZES),
    )
    chosen = [
        rf"{suite}\..*\('{method}', ({'|'.join(map(str, sizes))})\)"
        for suite, part in (("RoundTrip", calls), ("OneWay", streams))
        for method, sizes in part.items()
        if not isinstance(sizes, str)
    ]
    return rf"^ipc\.({'|'.join(chosen)})$"


# A regular expression for `asv run --bench`, matched against "module.Class.method(parameters)".
PATTERNS = {
    "ring_buffer": r"^ring_buffer\..*\.track_.*",
    # One process of asv's a result: what the quick pass leaves out is not even asked for.
    "cold_start": rf"^cold_start\.(Ready|FirstResponse|LastReady)\..*\('({_COLD})'\)$",
    "e2e": rf"^e2e_latency\.Latency\..*\('({_E2E})'\)$",
    "ipc": _ipc(),
}
# A Unix socket that asv makes in the temporary folder.
_SOCKET = "/asv-forkserver-12345678/socket"


def pattern(categories: list[str] | None = None) -> str:
    """The pattern of the named categories, of all when None."""
    return "|".join(PATTERNS[name] for name in categories or PATTERNS)


def launch_method(temporary: str) -> str:
    """How asv, whose temporary files go into that folder, is to start its processes.

    From a server, unless the folder's name is too long for its socket: that spares each result the
    0.3 s in which asv's runner is imported. What is measured runs in fresh processes either way.
    """
    longest = len(os.fsencode(temporary)) + len(_SOCKET)
    return "forkserver" if longest <= LONGEST_PATH else "spawn"


if __name__ == "__main__":
    method = launch_method(tempfile.gettempdir())
    print(shlex.join(["--launch-method", method, "--bench", pattern()]))
