"""Makes asv result stores in the form asv 0.6 writes them.

Used by the tests, and as a command to make a large store for timing:
``python -m tests.tools.make_store --files 1000 --benchmarks 50 --samples 1000 DIR``
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
from pathlib import Path
from typing import Any

COLUMNS = [
    "result", "params", "version", "started_at", "duration", "stats_ci_99_a", "stats_ci_99_b",
    "stats_q_25", "stats_q_75", "stats_number", "stats_repeat", "samples", "profile",
]  # fmt: skip
STARTED = 1_766_839_696_000
COMMIT = "3a4189d5eab67e0e639b86355016a93b21c9195b"


def commit_hash(position: int) -> str:
    return hashlib.sha1(str(position).encode()).hexdigest()


def benchmark(
    name: str,
    params: dict[str, list[str]] | None = None,
    kind: str = "track",
    unit: str = "seconds",
    pretty_name: str | None = None,
    **more: Any,
) -> dict[str, Any]:
    params = params or {}
    entry: dict[str, Any] = {
        "code": "",
        "name": name,
        "param_names": list(params),
        "params": list(params.values()),
        "type": kind,
        "unit": unit,
        "version": "v1",
        **more,
    }
    if pretty_name is not None:
        entry["pretty_name"] = pretty_name
    return entry


def row(
    samples: list[list[float] | None] | None,
    params: list[list[str]] | None = None,
    *,
    result: list[float | None] | None = None,
    number: int = 1,
    started_at: int | None = STARTED,
    duration: float = 1.5,
    version: str = "v1",
) -> list[Any]:
    """A row of a result file, cut short behind its last value as asv does."""
    given = samples or []
    if result is None and samples is not None:
        result = [float("nan") if s is None else s[len(s) // 2] for s in given]
    stats: list[Any] = [None] * 6
    if samples is not None:
        numbers = [None if s is None else number for s in given]
        repeats = [None if s is None else len(s) for s in given]
        low = [None if s is None else s[0] for s in given]
        stats = [low, low, low, low, numbers, repeats]
    values = [result, params or [], version, started_at, duration, *stats, samples, None]
    while values and values[-1] is None:
        values.pop()
    return values


def write_store(
    store: Path, benchmarks: list[dict[str, Any]], machines: tuple[str, ...] = ("box",)
) -> Path:
    store.mkdir(parents=True, exist_ok=True)
    content: dict[str, Any] = {entry["name"]: entry for entry in benchmarks}
    content["version"] = 2
    (store / "benchmarks.json").write_text(json.dumps(content, indent=4, sort_keys=True))
    for machine in machines:
        (store / machine).mkdir(exist_ok=True)
        card = {"machine": machine, "version": 1}
        (store / machine / "machine.json").write_text(json.dumps(card, indent=4))
    return store


def write_result(
    store: Path,
    rows: dict[str, list[Any]],
    commit: str = COMMIT,
    machine: str = "box",
    environment: str = "virtualenv-py3.11",
    **changes: Any,
) -> Path:
    content: dict[str, Any] = {
        "commit_hash": commit,
        "env_name": environment,
        "date": STARTED - 5_000,
        "params": {
            "arch": "x86_64", "cpu": "Test CPU", "machine": machine, "num_cpu": "2",
            "os": "Linux 6.1.0", "ram": "8589934592", "python": "3.11",
        },
        "python": "3.11",
        "requirements": {},
        "env_vars": {},
        "result_columns": COLUMNS,
        "results": rows,
        "durations": {"<build>": 3.9},
        "version": 2,
    }  # fmt: skip
    content.update(changes)
    path = store / machine / f"{commit[:8]}-{environment}.json"
    path.write_text(json.dumps(content))
    return path


def make_large_store(store: Path, files: int, benchmarks: int, samples: int) -> None:
    """Latencies of whole nanoseconds, as a clock gives them, stored in seconds."""
    draw = random.Random(1)
    names = [f"ring_buffer.Suite{n // 10}.track_operation_{n}" for n in range(benchmarks)]
    write_store(store, [benchmark(name, pretty_name=name.replace(".", "_")) for name in names])
    pool = [
        [int(draw.lognormvariate(7, 0.5)) / 1e9 for _ in range(samples)]
        for _ in range(max(benchmarks, 200))
    ]
    for number in range(files):
        rows = {
            name: row([draw.choice(pool)], started_at=STARTED + number * 60_000 + position)
            for position, name in enumerate(names)
        }
        write_result(store, rows, commit_hash(number))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--benchmarks", type=int, default=50)
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("folder", type=Path, metavar="DIR")
    given = parser.parse_args()
    make_large_store(given.folder, given.files, given.benchmarks, given.samples)


if __name__ == "__main__":
    main()
