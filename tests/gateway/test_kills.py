"""Kills of any process of a runtime under load: each request is answered or refused.

`AETHERLESS_KILLS` sets how many; the seed of the moments is printed when the test fails.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import random
import shutil
import signal
import threading
import time
from collections import Counter
from pathlib import Path

import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from aetherless_py.start.criu import Criu
from tests.gateway.conftest import Start
from tests.gateway.crowd import Crowd
from tests.gateway.up import Up, eventually

pytestmark = pytest.mark.slow

KILLS = int(os.environ.get("AETHERLESS_KILLS", "60"))
SEED = int(os.environ.get("AETHERLESS_TEST_SEED", random.SystemRandom().randrange(1 << 32)))
TIMEOUT_MS = 20_000
CLIENT_S = 3 * TIMEOUT_MS / 1e3  # to wait and be answered, each within the function's time-out
# What a client may be told beside the answer: it was refused, or its instance was killed.
REFUSED = {"502", "503", "504"}


def _victims(runtime: Up) -> list[int]:
    """Instances, templates, keepers and those who guard them; the runtime's own guard is not.

    It sees only to what is left when the runtime itself is killed.
    """
    own = f"AETHER_RUNTIME_ID={runtime.process.pid}-"
    found = []
    for each in runtime.processes():
        with contextlib.suppress(psutil.Error):  # ended meanwhile
            command = " ".join(each.cmdline())
            if command and own not in command:
                found.append(each.pid)
    return found


def test_each_request_is_answered_or_refused_whoever_is_killed(up: Start, tmp_path: Path) -> None:
    print("seed", SEED)
    moments = random.Random(SEED)
    modes = ["zygote", "spawn"] + ([] if Criu.missing() else ["criu"])
    functions = [
        {"id": mode, "start": mode, "handler_path": "fns:echo", "timeout_ms": TIMEOUT_MS}
        for mode in modes
    ]
    functions += [
        {"id": "pool", "handler_path": "fns:echo", "warm_pool_size": 2, "timeout_ms": TIMEOUT_MS},
        {"id": "threads", "handler_path": "fns:echo", "concurrency": 4, "timeout_ms": TIMEOUT_MS},
    ]
    if shutil.which("node"):
        server = Path(__file__).parents[1] / "start" / "functions" / "handler.js"
        program = tmp_path / "program"
        program.write_text(f"#!/bin/sh\nexec node {server}\n")
        program.chmod(0o700)
        functions.append({"id": "program", "handler_path": str(program), "timeout_ms": TIMEOUT_MS})
    names = [str(function["id"]) for function in functions]
    runtime = up(*functions, restore_timeout_ms=10_000, max_instances=3, keep_alive_s=0.3)
    connections = threading.local()
    sent = [0] * 8

    def ask(client: int) -> str:
        name = names[(client + sent[client] // 20) % len(names)]
        sent[client] += 1
        own = f"{client} {sent[client]} " + "x" * (sent[client] * 7919 % 50_000)
        if not hasattr(connections, "mine"):
            connections.mine = http.client.HTTPConnection(
                "127.0.0.1", runtime.port, timeout=CLIENT_S
            )
        connections.mine.request("POST", f"/function/{name}", own, {"content-type": "text/plain"})
        response = connections.mine.getresponse()
        text = response.read().decode()
        if response.status == 200:
            assert text == own, (name, text[:80], own[:80])
        else:
            assert str(response.status) in REFUSED, (name, response.status, text)
            assert (response.getheader("retry-after") is None) == (response.status != 503)
        return f"{name} {response.status}"

    killed = 0
    with Crowd(ask, len(sent)) as crowd:
        crowd.more(50)
        while killed < KILLS and not crowd.wrong:
            if victims := _victims(runtime):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(moments.choice(victims), signal.SIGKILL)
                    killed += 1
            time.sleep(moments.choice([0.0, 0.02, 0.1]) * moments.random())
    assert not crowd.wrong, (crowd.wrong, runtime.stderr()[-3000:])
    heard = Counter(crowd.heard)
    print(heard)
    assert sum(heard.values()) == sum(sent)
    assert _answers(runtime) == heard
    # It serves as before; who is first may be told of a template that was killed.
    for name in names:
        eventually(lambda name=name: runtime.ask(f"/function/{name}").status == 200)  # type: ignore[misc]
    assert runtime.process.poll() is None
    assert "never retrieved" not in runtime.stderr() and "Traceback" not in runtime.stderr()
    eventually(lambda: not any(each["instances"] for each in runtime.state()))


def _answers(runtime: Up) -> Counter[str]:
    """What the metrics count, in the words that clients note."""
    counted: Counter[str] = Counter()
    for family in text_string_to_metric_families(runtime.ask("/metrics").body.decode()):
        for sample in family.samples:
            if sample.name == "aetherless_requests_total":
                key = f"{sample.labels['function']} {sample.labels['status']}"
                counted[key] += int(sample.value)
    return counted
