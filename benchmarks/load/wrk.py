"""The public load tool wrk, as a library: a closed loop of so many connections, and what it saw."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from dataclasses import dataclass

_REPORT = """
function done(summary, latency, requests)
  local e = summary.errors
  io.stderr:write(string.format(
    '{"requests": %d, "duration_us": %d, "failed": %d, "p50_us": %d, "p99_us": %d}\\n',
    summary.requests, summary.duration, e.connect + e.read + e.write + e.status + e.timeout,
    latency:percentile(50), latency:percentile(99)))
end
"""
_BODY = """
wrk.method = "POST"
wrk.headers["Content-Type"] = "text/plain"
wrk.body = string.rep("x", %d)
"""
TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class Load:
    """What wrk saw; closed loop, so its percentiles are those of requests that it came to send."""

    requests: int
    duration_us: int
    failed: int
    p50_us: int
    p99_us: int

    @property
    def per_second(self) -> float:
        """Answers a second."""
        return self.requests / (self.duration_us / 1e6)


def missing() -> str | None:
    """Why it cannot be used, and what would help; None if it can."""
    if shutil.which("wrk") is None:
        return "wrk is not installed; make runtimes brings it"
    return None


def run(url: str, connections: int, duration_s: int, body_bytes: int = 0) -> Load:
    """Has wrk ask for a while, in one thread.

    Args:
        url: to be asked.
        connections: each with one request at a time.
        duration_s: how long.
        body_bytes: of a text that is sent by POST; 0 for GET.

    Raises:
        RuntimeError: wrk failed.
    """
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(_REPORT + (_BODY % body_bytes if body_bytes else ""))
        script.flush()
        done = subprocess.run(
            ["wrk", "-t1", f"-c{connections}", f"-d{duration_s}", "-s", script.name, url],
            capture_output=True,
            text=True,
            timeout=duration_s + TIMEOUT_S,
        )
    if done.returncode:
        raise RuntimeError(f"wrk {url}: {done.stderr or done.stdout}")
    return Load(**json.loads(done.stderr.splitlines()[-1]))
