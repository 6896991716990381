"""Repositories and stores that asv could have made, and asv itself with the plugin."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from asv import util
from asv.results import Results
from asv.runner import BenchmarkResult

ROOT = Path(__file__).resolve().parents[2]
MACHINE = {"machine": "made-up", "os": "", "arch": "", "cpu": "", "num_cpu": "2", "ram": ""}
SIZES = ["64", "4096"]


def asv(repository: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Runs asv there; gives its exit status and all that it printed, in `stdout`."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("AETHERLESS_")
    }
    return subprocess.run(
        [sys.executable, "-m", "asv", *arguments],
        cwd=repository,
        env={**environment, "PYTHONPATH": str(ROOT), "HOME": str(repository), **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
    )


def git(repository: Path, *arguments: str) -> str:
    """What git prints there."""
    identity = ["-c", "user.name=Nobody", "-c", "user.email=nobody@example.org"]
    done = subprocess.run(
        ["git", *identity, *arguments],
        cwd=repository,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def commit(repository: Path, subject: str) -> str:
    """Makes an empty commit; gives its hash."""
    git(repository, "commit", "--quiet", "--allow-empty", "--message", subject)
    return git(repository, "rev-parse", "HEAD")


def repository(folder: Path, branch: str = "main") -> Path:
    """A repository with one commit and a configuration of asv that has the plugin."""
    folder.mkdir()
    git(folder, "init", "--quiet", f"--initial-branch={branch}")
    commit(folder, "The first & only")
    config = {
        "version": 1, "project": "aetherless", "repo": ".", "branches": ["main"], "dvcs": "git",
        "environment_type": "virtualenv", "results_dir": ".asv/results", "html_dir": "html",
        "env_dir": ".asv/env", "benchmark_dir": "suite", "plugins": [".tools.publish.plugin"],
    }  # fmt: skip
    (folder / "asv.conf.json").write_text(json.dumps(config))
    machines = {"version": 1, MACHINE["machine"]: MACHINE}
    (folder / ".asv-machine.json").write_text(json.dumps(machines))
    return folder


def measured(
    repository: Path,
    commit: str,
    values: Mapping[str, Sequence[float | None]],
    selection: str = "results",
) -> None:
    """Adds results to a store, as asv does.

    Args:
        repository: whose store.
        commit: that was measured.
        values: of each benchmark, in s, one for each of `SIZES`; NaN for n/a.
        selection: the store's folder.
    """
    store = repository / ".asv" / selection
    results = Results(
        {**MACHINE, "python": "3.11"}, {}, commit, 1_766_839_696_000, "3.11", "virtualenv", {}
    )
    benchmarks = {
        name: {
            "name": name, "version": "3", "type": "time", "unit": "seconds", "code": "",
            "params": [SIZES], "param_names": ["payload_size_bytes"],
        }
        for name in values
    }  # fmt: skip
    for name, of_sizes in values.items():
        found = BenchmarkResult(
            result=list(of_sizes),
            samples=[None] * len(of_sizes),
            number=[None] * len(of_sizes),
            errcode=0,
            stderr="",
            profile=None,
        )
        results.add_result(benchmarks[name], found, duration=1.0)
    results.save(str(store))
    util.write_json(str(store / MACHINE["machine"] / "machine.json"), MACHINE, 1)
    util.write_json(str(store / "benchmarks.json"), benchmarks, 2)
