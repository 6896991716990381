"""The cold-start suite: its cases, what one process measures of them, and what is handed over."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from aetherless_py.errors import StartError
from aetherless_py.start import strategy
from aetherless_py.start.criu import Criu
from benchmarks import cold_start
from benchmarks.cold_start import CASES, Case
from benchmarks.harness import page_cache
from benchmarks.harness.sampler import sample_set
from benchmarks.starts import BASELINES, sampling
from tests.harness.journals import records_in
from tools import quick
from tools.working_tree import ROOT


def test_usual_circumstances_go_without_saying_in_a_cases_name() -> None:
    assert Case("zygote", "http").name == "zygote_http"
    assert Case("criu", "web", 16, 256, "dropped").name == "criu_web_burst16_ballast256_dropped"
    assert all(CASES[name].name == name for name in CASES)


def test_the_design_holds_what_it_promises() -> None:
    names = {*cold_start.OWN, *BASELINES}
    assert {case.strategy for case in CASES.values()} == names
    for name in names:
        assert {case.imports for case in CASES.values() if case.strategy == name} == set(
            cold_start.IMPORTS
        )
    for name in cold_start.OWN:
        of_http = [c for c in CASES.values() if (c.strategy, c.imports) == (name, "http")]
        assert len(of_http) == 3 * 3 * 2
    assert set(sampling.IMPORTS) == set(cold_start.IMPORTS)


def test_the_quick_pass_asks_for_what_it_measures() -> None:
    pattern = re.compile(quick.PATTERNS["cold_start"])
    asked = [name for name in CASES if pattern.match(f"cold_start.Ready.track_ready('{name}')")]
    assert asked == [name for name in CASES if CASES[name] in cold_start.QUICK]
    assert not pattern.match("cold_start.Phase.track_phase('created', 'spawn_http')")


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("spawn", {"created", "interpreter", "imported", "ready", "first_response"}),
        ("zygote", {"created", "ready", "first_response"}),
        ("criu", {"interpreter", "ready", "first_response", "dump"}),
        ("warm_pool", {"ready", "first_response"}),
    ],
)
def test_what_one_process_measures(name: str, kinds: set[str]) -> None:
    if name == "criu" and (why := Criu.missing()):
        pytest.skip(f"criu: {why}")
    found = sampling.starts(name, "http", 2, 0, "hot", 4)
    assert set(found["sets"]) == kinds | {"last_ready"}
    ready = found["sets"]["ready"]["samples_ns"]
    assert len(ready) == 4 and found["sets"]["last_ready"]["samples_ns"] == [
        max(ready[:2]),
        max(ready[2:]),
    ]
    first = found["sets"]["first_response"]["samples_ns"]
    assert all(0 < one < other for one, other in zip(ready, first, strict=True))
    assert found["facts"]["prepare_ns"] > 0
    assert ("snapshot_bytes" in found["facts"]) == (name == "criu")


def test_ballast_is_memory_that_the_instance_has() -> None:
    sizes = {}
    for ballast_mb in (0, 64):
        with strategy("spawn") as made:
            made.prepare(sampling.function_of("bare", ballast_mb))
            status = Path(f"/proc/{made.start().pid}/status").read_text()
        sizes[ballast_mb] = int(re.findall(r"VmRSS:\s+(\d+) kB", status)[0]) >> 10
    assert 60 <= sizes[64] - sizes[0] <= 68


def test_more_ballast_than_memory_is_not_tried() -> None:
    with pytest.raises(NotImplementedError, match="too much for this machine's memory"):
        sampling.starts("spawn", "bare", 16, 1 << 20, "hot", 16)


def test_an_instance_that_is_not_cold_is_an_error() -> None:
    with strategy("zygote") as made:
        made.prepare(sampling.function_of("bare", 0))
        instance = made.start()
        seen: set[str] = set()
        with pytest.raises(StartError, match="handed out twice"):  # nobody has asked it yet
            sampling._prove_cold(instance, seen)
        instance.invoke(b"")
        sampling._prove_cold(instance, seen)
        with pytest.raises(StartError, match="handed out twice"):
            sampling._prove_cold(instance, seen)
        time.sleep(0.05)
        instance.phases.asked_ns = time.monotonic_ns()
        with pytest.raises(StartError, match="older than the start"):
            sampling._prove_cold(instance, set())


def test_a_wrong_answer_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "REQUEST", b"as it was sent")
    with strategy("spawn") as made:
        made.prepare(sampling.function_of("bare", 0))
        start = made.start

        def spoiled() -> Any:
            instance = start()
            invoke = instance.invoke
            monkeypatch.setattr(instance, "invoke", lambda payload: invoke(payload) + b"?")
            return instance

        monkeypatch.setattr(made, "start", spoiled)
        with pytest.raises(StartError, match="not what was sent"):
            sampling._burst(made, 1, set())


def test_what_a_machine_lacks_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Criu, "missing", lambda _: "no CRIU here: install one")
    with pytest.raises(NotImplementedError, match="criu: no CRIU here"):
        sampling.starts("criu", "bare", 1, 0, "hot", 1)
    monkeypatch.setattr(page_cache, "DROP", Path("/nowhere/drop_caches"))
    with pytest.raises(NotImplementedError, match="needs root"):
        sampling.starts("spawn", "bare", 1, 0, "dropped", 1)


def _set(ns: float) -> dict[str, Any]:
    return sample_set([ns] * 4, 1, "per_operation", 1.0)


def test_what_is_handed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AETHERLESS_JOURNAL_DIR", str(tmp_path))
    medians = {"spawn_http": 1e8, "criu_http": 1e7, "lambda_simulated_http": 5e8}
    cache: dict[str, Any] = {
        "measured": {
            name: {"parts": {"ready": [_set(ns)] * 6, "interpreter": [_set(ns / 2)] * 6}}
            for name, ns in medians.items()
        },
        "facts": {name: [{"prepare_ns": 5}] for name in medians},
        "state": {"steal_seconds": 0.0},
    }
    cache["facts"]["criu_http"] = [{"prepare_ns": 7, "dump_ns": 3, "snapshot_bytes": 4096}]
    suite = cold_start.Ready()
    for name in medians:
        suite.setup(cache, name)
        suite.track_ready(cache, name)
    with pytest.raises(NotImplementedError, match="not part of the quick pass"):
        suite.setup(cache, "zygote_http")
    with pytest.raises(NotImplementedError, match="not measured at first_response"):
        cold_start.FirstResponse().setup(cache, "criu_http")
    spawn, criu, simulated = (record["metadata"] for record in records_in(tmp_path))
    assert "ratio_to_spawn" not in spawn
    assert (criu["strategy"], criu["until"], criu["burst"]) == ("criu", "ready", 1)
    assert criu["ratio_to_spawn"] == pytest.approx(0.1)
    assert criu["ratio_to_spawn_interval"] == pytest.approx([0.1, 0.1])
    assert criu["phases"] == {"interpreter_ns": 5e6, "ready_ns": 1e7}
    assert (criu["dump_ns"], criu["snapshot_bytes"]) == (3, 4096)
    assert simulated["simulated"] is True
    assert not any(key.startswith("ratio") for key in simulated)


# As asv imports the suite, and all that lies beside it, with the package of any commit.
DISCOVERY = """
import sys
sys.modules[sys.argv[1]] = None
import importlib, pkgutil, benchmarks
def discover(package):
    for found in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
        print(found.name)
        module = importlib.import_module(found.name)
        if found.ispkg:
            discover(module)
discover(benchmarks)
"""


def discovered_without(module: str) -> list[str]:
    """The modules that asv finds where that one is missing."""
    command = [sys.executable, "-c", DISCOVERY, module]
    done = subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    return done.stdout.splitlines()


def test_an_older_commit_without_strategies_is_no_failure(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AETHERLESS_QUICK", "1")
    monkeypatch.setitem(sys.modules, "aetherless_py.start.base", None)
    cache = cold_start.setup_cache()
    with pytest.raises(NotImplementedError, match="this commit has no start strategies"):
        cold_start.Ready().setup(cache, "spawn_http")
    names = discovered_without("aetherless_py.start.base")
    assert "benchmarks.cold_start" in names
    assert not [name for name in names if name.startswith("benchmarks.starts.")], names


@pytest.mark.parametrize("module", ["aetherless_py.gateway.connection", "awslambdaric", "orjson"])
def test_what_is_missing_is_in_nobodys_way(module: str) -> None:
    assert "benchmarks.cold_start" in discovered_without(module)
