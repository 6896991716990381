"""wrk, which others wrote, against a runtime: nothing is lost, and all who count agree.

For `AETHERLESS_LOAD_S` seconds; `make load` takes a minute.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.gateway.conftest import Start
from tests.gateway.up import Up, eventually

pytestmark = pytest.mark.slow

SECONDS = int(os.environ.get("AETHERLESS_LOAD_S", "3"))
CONNECTIONS = 32

# What came back is looked at, not only counted; what is wrong is in the summary.
SCRIPT = """
local threads = {}
function setup(thread) table.insert(threads, thread) end
function init() wrong = 0; answered = 0 end
function response(status, headers, body)
  answered = answered + 1
  if status ~= 200 or body ~= wrk.body and wrk.body ~= nil then wrong = wrong + 1 end
end
function done(summary)
  local wrong, answered = 0, 0
  for _, thread in ipairs(threads) do
    wrong = wrong + thread:get("wrong")
    answered = answered + thread:get("answered")
  end
  local errors = summary.errors
  print(string.format("SUMMARY requests=%d answered=%d wrong=%d connect=%d read=%d write=%d"
    .. " status=%d timeout=%d", summary.requests, answered, wrong, errors.connect, errors.read,
    errors.write, errors.status, errors.timeout))
end
"""


def load(runtime: Up, path: str, script: str, folder: Path) -> dict[str, int]:
    """What wrk counted."""
    file = folder / "load.lua"
    file.write_text(script + SCRIPT)
    done = subprocess.run(
        ["wrk", "--threads", "1", "--connections", str(CONNECTIONS), "--duration", f"{SECONDS}s",
         "--timeout", "60s", "--script", str(file), f"http://127.0.0.1:{runtime.port}{path}"],
        capture_output=True, text=True, timeout=SECONDS + 60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    [line] = re.findall(r"^SUMMARY (.*)$", done.stdout, re.MULTILINE)
    return {name: int(value) for name, _, value in (each.partition("=") for each in line.split())}


def counted(runtime: Up, function: str) -> dict[str, int]:
    """By /metrics: requests of each status."""
    found: dict[str, int] = {}
    for family in text_string_to_metric_families(runtime.ask("/metrics").body.decode()):
        for sample in family.samples:
            if sample.name == "aetherless_requests_total" and sample.labels["function"] == function:
                status = sample.labels["status"]
                found[status] = found.get(status, 0) + int(sample.value)
    return found


@pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk is missing: make runtimes")
@pytest.mark.parametrize("function", ["noop", "echo"])
def test_nothing_is_lost_under_load(up: Start, tmp_path: Path, function: str) -> None:
    runtime = up({"id": function, "concurrency": 4}, max_instances=2)
    body = "x" * 1000
    script = "" if function == "noop" else (
        f'wrk.method = "POST"\nwrk.body = "{body}"\nwrk.headers["Content-Type"] = "text/plain"\n'
    )  # fmt: skip
    told = load(runtime, f"/function/{function}", script, tmp_path)
    assert told["requests"] == told["answered"] > 0
    assert not any(told[each] for each in told if each not in ("requests", "answered")), told
    # wrk leaves with a request under way on each connection; nobody waits for those answers.
    eventually(lambda: not runtime.state()[0]["states"]["busy"])
    by_metrics = counted(runtime, function)
    assert set(by_metrics) == {"200"}
    assert told["answered"] <= by_metrics["200"] <= told["answered"] + CONNECTIONS
    [state] = runtime.state()
    assert state["served"] == by_metrics["200"]
    assert sum(each["served"] for each in state["instances"]) == state["served"]
    assert set(state["counts"]) == {"started"}  # no instance was lost on the way
    assert "Traceback" not in runtime.stderr()
